import { expect, test } from 'vitest'
import { loadConfig } from './config'

const page = 'https://mail.example.com/console/index.html'

function answering(body: string, init: ResponseInit = {}) {
  const asked: string[] = []
  const fetch = async (input: RequestInfo | URL) => {
    asked.push(String(input))
    return new Response(body, init)
  }
  return { asked, load: () => loadConfig(fetch, page) }
}

const sameOrigin = { apiBase: 'https://mail.example.com', maxAttachmentBytes: 10_485_760, sandboxMailbox: null }

test('the file is fetched beside the page', async () => {
  const { asked, load } = answering('{"apiBase": ""}')

  expect(await load()).toEqual(sameOrigin)
  expect(asked).toEqual(['https://mail.example.com/console/config.json'])
})

test.each([
  ['a missing file', '', { status: 404 }],
  ['an index page in its place', '<html>', { headers: { 'content-type': 'text/html' } }],
  ['an empty object', '{}', {}],
])('%s means the page’s own origin', async (_, body, init) => {
  expect(await answering(body, init).load()).toEqual(sameOrigin)
})

test('addresses are taken as given, or relative to the page', async () => {
  const { load } = answering('{"apiBase": "https://api.example.com/v0/", "sandboxMailbox": "/box"}')

  expect(await load()).toEqual({
    apiBase: 'https://api.example.com/v0',
    maxAttachmentBytes: 10_485_760,
    sandboxMailbox: 'https://mail.example.com/box',
  })
})

test('a limit of attachments is taken as given', async () => {
  const { load } = answering('{"maxAttachmentBytes": 0}')

  expect(await load()).toEqual({ ...sameOrigin, maxAttachmentBytes: 0 })
})

test.each([
  ['{', 'not valid JSON'],
  ['[]', 'must be an object'],
  ['{"apiBase": 5}', 'apiBase in config.json must be an http address'],
  ['{"maxAttachmentBytes": "5"}', 'maxAttachmentBytes in config.json must be a number'],
  ['{"sandboxMailbox": "javascript:alert(1)"}', 'sandboxMailbox in config.json must be'],
])('%s is refused with a sentence', async (body, sentence) => {
  await expect(answering(body).load()).rejects.toThrow(sentence)
})

test('a server’s failure is not taken for a missing file', async () => {
  await expect(answering('', { status: 500 }).load()).rejects.toThrow('status 500')
})

test('a broken connection is not taken for a missing file', async () => {
  await expect(loadConfig(broken, page)).rejects.toThrow('could not be fetched')
})

function broken() {
  return Promise.reject(new TypeError('Failed to fetch'))
}
