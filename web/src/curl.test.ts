import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { attach } from './attachments'
import { asCurl } from './curl'
import { emptyDraft, toRequest } from './email'

const api = 'https://api.example.com'

/** What a real shell makes of it, with a `curl` that shows its arguments and what it is fed. */
function run(command: string): { address: string; body: unknown } {
  const script = `curl() { printf '%s\\n' "$3"; cat; }\n${command}`
  const [address, ...body] = execFileSync('/bin/sh', ['-c', script]).toString().split('\n')
  return { address: address!, body: JSON.parse(body.join('\n')) }
}

test('the key comes from a variable of the shell', () => {
  const command = asCurl(api, { ...emptyDraft, body: 'x' }, [], { withKey: true })
  const script = `GOMAIL_KEY=gm_secret; curl() { printf '%s\\n' "$@"; }\n${command}`

  const told = execFileSync('/bin/sh', ['-c', script]).toString().split('\n')

  expect(told).toContain('authorization: Bearer gm_secret')
})

test.each([
  ["a ' quote and '\\'' more"],
  ['$(touch /tmp/x) `touch /tmp/x` $HOME ${HOME} !!'],
  ['EMAIL\nEMAIL\n\nEMAIL'],
  [String.raw`back\slash \n \u0041 "double"`],
  ['tab\t, bell \u0007, escape \u001B[2J, C1 \u009B2J, DEL \u007F'],
  ['\u202Eright to left\u2066, \u2028 line, \u{1F600}, \uD800 lone'],
])('a shell takes %j as it is', (text) => {
  const draft = { ...emptyDraft, body: text, subject: text }

  const { address, body } = run(asCurl(api, draft, []))

  expect(address).toBe(`${api}/email/send`)
  expect(body).toEqual(JSON.parse(JSON.stringify(toRequest(draft, []))))
})

test('an address with a quote in it stays one word', () => {
  expect(run(asCurl("https://x.io/'; touch y; '", emptyDraft, [])).address).toBe(
    "https://x.io/'; touch y; '/email/send",
  )
})

test('nothing that a terminal obeys is in it', () => {
  const command = asCurl(api, { ...emptyDraft, body: '\u001B \u009B \u007F \u202E \u2066' }, [])

  // oxlint-disable-next-line no-control-regex
  expect(command).not.toMatch(/[^\P{C}\n]/u)
})

test('a short file is there whole, a long one is left out with its name and size', () => {
  const attachments = attach([
    new File(['x'], 'short.txt'),
    new File(['x'.repeat(2049)], "long's\n.txt"),
  ])

  const command = asCurl(api, { ...emptyDraft, attachments }, ['eA==', 'never shown'])

  expect(command).toContain('"content": "eA=="')
  expect(command).toContain(String.raw`(base64 of long's\n.txt, 2 KiB, is left out here)`)
  expect(command).not.toContain('never shown')
})
