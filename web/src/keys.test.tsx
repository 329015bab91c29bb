import { cleanup, screen, waitFor } from '@testing-library/react'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openPage } from './scriptedServer'
import { email, tried } from './testRecords'

beforeEach(() => window.sessionStorage.clear())
afterEach(cleanup)

const WANTED = { errors: { base: 'A valid API key is needed' } }
type Page = ReturnType<typeof openPage>

async function send({ user }: Page) {
  await user.click(screen.getByRole('button', { name: 'Send email' }))
}

async function give({ user }: Page, text: string) {
  const input = await screen.findByLabelText('Key')
  await user.clear(input)
  await user.type(input, text)
  await user.click(screen.getByRole('button', { name: 'Use key' }))
}

test('a key is asked for once, and the email that wanted it goes on by itself', async () => {
  const page = openPage()
  const { server } = page
  await send(page)
  await server.answer(1, 401, WANTED)
  await give(page, 'gm_secret')

  const again = await server.request(2)
  expect(again.headers.get('authorization')).toBe('Bearer gm_secret')
  expect(again.url).not.toContain('gm_secret')
  server.emails.a = email('sent', { attempts: [tried(1)] })
  await server.answer(2, 200, { messageId: 'a' })
  await screen.findByText(/Sent via SES/)
  expect(screen.queryByLabelText('Key')).toBeNull()
  await send(page)
  expect((await server.request(3)).headers.get('authorization')).toBe('Bearer gm_secret')
  expect(server.keys).toEqual(new Set(['Bearer gm_secret']))
})

test('a key that the API does not take is asked for again, with the reason', async () => {
  const page = openPage()
  await send(page)
  await page.server.answer(1, 401, WANTED)
  await give(page, 'gm_wrong')
  await page.server.answer(2, 401, WANTED)

  await screen.findByText(/does not take this key/)
  await give(page, 'gm_right')

  expect((await page.server.request(3)).headers.get('authorization')).toBe('Bearer gm_right')
})

test('whoever has no key sees the email not queued, with the API’s sentence', async () => {
  const page = openPage()
  await send(page)
  await page.server.answer(1, 401, WANTED)

  await page.user.click(await screen.findByRole('button', { name: 'Not now' }))

  await screen.findByText('Not queued')
  expect(screen.getAllByText('A valid API key is needed').length).toBeGreaterThan(0)
})

test('a proxy’s own 401 asks for no key', async () => {
  const page = openPage()
  await send(page)
  const { resolve } = await page.server.request(1)
  resolve(new Response('<html>', { status: 401 }))

  await screen.findByText('Not confirmed')
  expect(screen.queryByLabelText('Key')).toBeNull()
})

test.each([
  [403, 'This API key lacks the scope send', {}, 'This API key lacks the scope send'],
  [
    429,
    'Too many requests with this API key',
    { 'retry-after': '3' },
    'Too many requests with this API key. Try again in 3 seconds.',
  ],
])('a %d is told as it is', async (status, base, headers, sentence) => {
  const page = openPage()
  await send(page)
  await page.server.answer(1, status, { errors: { base } }, headers)

  await screen.findByText('Not queued')
  expect(screen.getAllByText(sentence).length).toBeGreaterThan(0)
})

test('a key is forgotten when the person says so', async () => {
  const page = openPage()
  expect(screen.queryByRole('button', { name: 'Forget API key' })).toBeNull()
  await send(page)
  await page.server.answer(1, 401, WANTED)
  await give(page, 'gm_secret')
  await page.user.click(await screen.findByRole('button', { name: 'Forget API key' }))

  expect(window.sessionStorage).toHaveLength(0)
  await send(page)
  expect((await page.server.request(3)).headers.get('authorization')).toBeNull()
})

test('the command names the key’s variable where a key is in use, and never the key', async () => {
  const page = openPage()
  await page.user.click(screen.getByRole('button', { name: 'As cURL' }))
  expect(screen.getByLabelText('Command').textContent).not.toContain('authorization')
  page.key.give('gm_secret')

  await waitFor(() => expect(screen.getByLabelText('Command').textContent).toContain(
    '--header "authorization: Bearer $GOMAIL_KEY" \\',
  ))
  expect(document.body.innerHTML).not.toContain('gm_secret')
})
