import { cleanup, screen, waitFor, within } from '@testing-library/react'
import { afterEach, expect, test } from 'vitest'
import { openPage } from './scriptedServer'
import { email, tried } from './testRecords'

afterEach(cleanup)

const page = () => openPage()
type Page = ReturnType<typeof page>
const lines = () => [...document.querySelectorAll<HTMLElement>('li.line')]
const heard = (line = lines()[0]!) => line.querySelector('[aria-live=polite]')!.textContent

async function submit({ server, user }: Page, id: string) {
  await user.click(screen.getByRole('button', { name: 'Send email' }))
  await server.answer(server.requests.length, 200, { messageId: id })
  await screen.findByText(id)
}

test('a submit is followed from the queue to the provider that accepted it', async () => {
  const opened = page()
  const { server } = opened
  server.emails.a = email('queued')
  await submit(opened, 'a')
  const stream = await server.stream(1)
  expect(stream.url.search).toBe('?id=a')

  server.emails.a = email('sending', { attempts: [tried(1, { outcome: null })] })
  await stream.status(1, { id: 'a', status: 'sending', provider: 'ses', number: 1 })
  await waitFor(() => expect(heard()).toContain('Sending through SES'))
  server.emails.a = email('sent', { attempts: [tried(1)] })
  await stream.status(2, { id: 'a', status: 'sent', provider: 'ses', number: 1 })

  await waitFor(() => expect(heard()).toContain('Sent via SES'))
  await waitFor(() => expect(stream.closed).toBe(true))
  expect(lines()[0]!.textContent).not.toContain('elivered')
})

test('what happened before the stream stood is read', async () => {
  const opened = page()
  opened.server.emails.a = email('sent', { attempts: [tried(1)] })

  await submit(opened, 'a')

  await waitFor(() => expect(heard()).toContain('Sent via SES'))
})

test('a retry says why, and its tries can be unfolded', async () => {
  const opened = page()
  opened.server.emails.a = email('retrying', {
    provider: 'sendgrid',
    attempts: [
      tried(1, { outcome: 'failed', code: '500', message: 'Internal <b>error</b>', durationMs: 90 }),
      tried(2, { provider: 'sendgrid', outcome: 'failed', code: 'not-sent', durationMs: 3000 }),
    ],
  })
  await submit(opened, 'a')
  await waitFor(() => expect(heard()).toContain('Trying again. SendGrid could not be reached.'))

  await opened.user.click(screen.getByText('2 tries'))

  const [first, second] = within(lines()[0]!).getAllByRole('listitem')
  expect(first!.textContent).toMatch(/^1\. SES90 ms.*SES has a failure of its own\./)
  expect(first!.textContent).toContain('500 Internal <b>error</b>')
  expect(second!.textContent).toMatch(/^2\. SendGrid3\.0 s/)
})

test('several submits share one stream, each with its own line', async () => {
  const opened = page()
  const { server } = opened
  server.emails.a = email('queued')
  server.emails.b = email('queued')
  await submit(opened, 'a')
  const first = await server.stream(1)
  await first.push('id: 7\n\n')
  await submit(opened, 'b')
  const second = await server.stream(2)

  server.emails.a = email('sent', { attempts: [tried(1)] })
  await second.status(8, { id: 'a', status: 'sent', provider: 'ses', number: 1 })

  expect(first.closed).toBe(true)
  expect(second.ids).toEqual(['a', 'b'])
  expect(second.url.searchParams.get('after')).toBe('7')
  await waitFor(() => expect(heard(lines()[1])).toContain('Sent via SES'))
  expect(heard(lines()[0])).toContain('Queued as b')
  expect(second.closed).toBe(false)
})

test('an email that may have gone out twice says so', async () => {
  const opened = page()
  opened.server.emails.a = email('sent', {
    attempts: [tried(1, { outcome: null, durationMs: null }), tried(2, { possibleDuplicate: true })],
  })

  await submit(opened, 'a')

  await screen.findByText(/It may have been sent twice/)
  expect(screen.getByText('Possibly sent twice')).toBeTruthy()
  expect(screen.getByText('It was cut off; what came of it is not known.')).toBeTruthy()
})

test.each([
  [403, 'Only clients on this machine may read this', 'No live status: Only clients on this machine'],
  [503, 'No ledger is configured; set ledger.url', 'No live status: No ledger is configured'],
  [404, 'Not Found', 'No live status: this server has none.'],
])('where events are answered %s, the line stays queued and says why', async (status, base, note) => {
  const opened = page()
  opened.server.refusal = () => Response.json({ errors: { base } }, { status })

  await submit(opened, 'a')

  await waitFor(() => expect(lines()[0]!.textContent).toContain(note))
  expect(heard()).toBe('No recipient: Queued as a')
})

test('an id that the ledger does not know stays queued, with a note', async () => {
  const opened = page()

  await submit(opened, 'a')

  await screen.findByText(/Nothing is known of this email yet/)
  expect(heard()).toBe('No recipient: Queued as a')
})

test('an end that only an event has told names its code', async () => {
  const opened = page()
  await submit(opened, 'a')
  const stream = await opened.server.stream(1)

  await stream.status(1, { id: 'a', status: 'failed', code: 'given-up', detail: 'given up', number: 0 })

  await waitFor(() => expect(heard()).toContain('Given up. No provider accepted it in time.'))
  expect(lines()[0]!.textContent).toContain('given-up given up')
})

test('one element tells of every change, and of nothing else', async () => {
  const opened = page()
  opened.server.emails.a = email('queued')
  await submit(opened, 'a')
  const region = lines()[0]!.querySelector('[aria-live]')
  const stream = await opened.server.stream(1)

  await stream.status(1, { id: 'a', status: 'retrying', provider: 'ses', code: '503', number: 1 })
  await waitFor(() => expect(heard()).toContain('SES has a failure of its own.'))

  expect(document.querySelectorAll('[aria-live]')).toHaveLength(1)
  expect(lines()[0]!.querySelector('[aria-live]')).toBe(region)
  expect(region!.querySelector('time, code, button, details')).toBeNull()
})

test('a scheduled email can be called back', async () => {
  const opened = page()
  const { server, user } = opened
  server.emails.a = email('scheduled', { sendAt: '2026-12-01T09:00:00.000Z' })
  await submit(opened, 'a')
  await waitFor(() => expect(heard()).toMatch(/Scheduled for .*2026/))
  const stream = await server.stream(1)

  await user.click(screen.getByRole('button', { name: 'Cancel email: a' }))
  expect((await server.request(2)).url).toBe('https://api.example.com/email/a/cancel')
  server.emails.a = email('canceled')
  await server.answer(2, 200, { messageId: 'a', status: 'canceled' })
  await stream.status(1, { id: 'a', status: 'canceled', number: 0 })

  await waitFor(() => expect(heard()).toContain('Canceled. It was called back'))
  expect(screen.queryByRole('button', { name: 'Cancel email: a' })).toBeNull()
})

test('where it is too late to call an email back, the server’s reason is shown', async () => {
  const opened = page()
  const { server, user } = opened
  server.emails.a = email('queued', { provider: null, sendAt: '2026-12-01T09:00:00.000Z' })
  await submit(opened, 'a')

  await user.click(await screen.findByRole('button', { name: 'Cancel email: a' }))
  await server.answer(2, 409, { errors: { base: 'It is being sent already' } })

  await screen.findByText('It is being sent already')
  expect(screen.getByRole('button', { name: 'Cancel email: a' })).toBeTruthy()
})
