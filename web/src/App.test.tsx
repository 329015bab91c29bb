import { cleanup, screen, waitFor, within } from '@testing-library/react'
import { afterEach, expect, test } from 'vitest'
import { openPage } from './scriptedServer'

afterEach(cleanup)

const control = (label: string) => screen.getByLabelText<HTMLInputElement>(label)
const chips = (label: string) =>
  within(screen.getByRole('list', { name: `${label}: recipients` }))
    .queryAllByRole('listitem')
    .map((chip) => chip.querySelector('.chip-text')!.textContent)
const send = () => screen.getByRole('button', { name: 'Send email' })
const lines = () => within(screen.getByRole('list', { name: 'Submitted' })).getAllByRole('listitem')

async function fillIn(user: ReturnType<typeof openPage>['user'], toEmail = 'ben@example.com') {
  await user.type(control('From email'), 'ann@example.com')
  await user.type(control('To email'), toEmail)
  await user.type(control('Body'), 'Good morning')
}

test('a submit posts the email and shows the id it was queued under', async () => {
  const { server, user } = openPage()
  await fillIn(user)

  await user.click(send())
  await server.answer(1, 200, { messageId: '0190-a' })

  expect(await screen.findByText(/Queued as/)).toHaveProperty('textContent', 'Queued as 0190-a')
  expect(await server.request(1)).toMatchObject({
    url: 'https://api.example.com/email/send',
    body: {
      email: { fromEmail: 'ann@example.com', toEmail: 'ben@example.com', body: 'Good morning' },
    },
  })
})

test('the form is kept after success', async () => {
  const { server, user } = openPage()
  await fillIn(user)

  await user.click(send())
  await server.answer(1, 200, { messageId: '0190-a' })
  await screen.findByText(/Queued as/)

  expect(chips('To email')).toEqual(['ben@example.com'])
  expect(control('Body').value).toBe('Good morning')
})

test('errors appear at their fields, the first wrong one gets the focus', async () => {
  const { server, user } = openPage()
  await user.type(control('Subject'), 'Hello')

  await user.click(send())
  await server.answer(1, 422, {
    errors: { body: 'Body is required', fromEmail: 'From email is required' },
  })
  await screen.findByText('Not queued')

  const from = control('From email')
  expect(document.activeElement).toBe(from)
  expect(from.getAttribute('aria-invalid')).toBe('true')
  expect(descriptionOf(from)).toBe('From email is required')
  expect(descriptionOf(control('Body'))).toBe('Body is required')
  expect(control('To email').getAttribute('aria-invalid')).toBe('false')
  expect(control('Subject').value).toBe('Hello')
  expect(screen.queryByRole('alert')).toBeNull()
})

test('an error stands as long as its field holds the refused value', async () => {
  const { server, user } = openPage()
  await user.click(send())
  await server.answer(1, 422, {
    errors: { body: 'Body is required', toEmail: 'To email is required' },
  })
  await screen.findByText('Not queued')

  await user.type(control('Body'), 'x')

  expect(control('Body').getAttribute('aria-invalid')).toBe('false')
  expect(control('To email').getAttribute('aria-invalid')).toBe('true')
})

test('a base error is an alert above the form', async () => {
  const { server, user } = openPage()

  await user.click(send())
  await server.answer(1, 503, { errors: { base: 'Service unavailable' } }, { 'retry-after': '5' })

  const alert = await screen.findByRole('alert')
  expect(alert.textContent).toBe('Service unavailable. Try again in 5 seconds.')
})

test('an error of a field that the form lacks is in the alert', async () => {
  const { server, user } = openPage()

  await user.click(send())
  await server.answer(1, 422, { errors: { 'headers.X-A': 'Unknown field' } })

  expect((await screen.findByRole('alert')).textContent).toBe('headers.X-A: Unknown field')
})

test('a broken connection says what to do and does not claim that nothing was queued', async () => {
  const { server, user } = openPage()

  await user.click(send())
  await server.breakConnection(1)

  expect((await screen.findByRole('alert')).textContent).toContain('Check your connection')
  expect(lines()[0]!.textContent).toContain('Not confirmed')
})

test('two submits are under way at once, and each answer finds its own line', async () => {
  const { server, user } = openPage()
  await fillIn(user, 'first@example.com')
  await user.click(send())
  await user.type(control('To email'), '{Backspace}')
  await user.type(control('To email'), 'second@example.com')
  await user.click(send())
  await waitFor(() => expect(screen.getAllByText('Queueing…')).toHaveLength(2))

  await server.answer(2, 200, { messageId: 'id-of-second' })
  await screen.findByText(/Queued as/)
  await server.answer(1, 200, { messageId: 'id-of-first' })
  await screen.findByText('id-of-first')

  const [newest, oldest] = lines()
  expect(newest!.textContent).toMatch(/second@example\.com.*Queued as id-of-second/)
  expect(oldest!.textContent).toMatch(/first@example\.com.*Queued as id-of-first/)
})

test('a late refusal of an older submit is told in its line, not at the form', async () => {
  const { server, user } = openPage()
  await user.click(send())
  await fillIn(user)
  await user.click(send())

  await server.answer(2, 200, { messageId: '0190-b' })
  await screen.findByText(/Queued as/)
  await server.answer(1, 422, { errors: { body: 'Body is required' } })
  await screen.findByText('Not queued')

  expect(control('Body').getAttribute('aria-invalid')).toBe('false')
  expect(screen.getByText('Body is required').closest('li[class=line]')).not.toBeNull()
})

test.each(['{Control>}{Enter}{/Control}', '{Meta>}{Enter}{/Meta}'])(
  '%s in the body submits',
  async (keys) => {
    const { server, user } = openPage()

    await user.type(control('Body'), `Good morning${keys}`)

    expect(await server.request(1)).toMatchObject({ body: { email: { body: 'Good morning' } } })
  },
)

test('Enter alone in the body is a new line', async () => {
  const { server, user } = openPage()

  await user.type(control('Body'), 'Good{Enter}morning')

  expect(control('Body').value).toBe('Good\nmorning')
  expect(server.requests).toEqual([])
})

test('the id is copied', async () => {
  const { server, user } = openPage()
  await user.click(send())
  await server.answer(1, 200, { messageId: '0190-a' })

  await user.click(await screen.findByRole('button', { name: 'Copy id: 0190-a' }))

  expect(await navigator.clipboard.readText()).toBe('0190-a')
  await screen.findByRole('button', { name: 'Copied: 0190-a' })
})

test('the sandbox is linked where there is one', () => {
  openPage({ sandboxMailbox: 'http://127.0.0.1:9324/' })

  const link = screen.getByRole('link', { name: 'Sandbox mailbox and fault switches' })
  expect(link.getAttribute('href')).toBe('http://127.0.0.1:9324/')
})

test('without a sandbox there is no link', () => {
  openPage()

  expect(screen.queryByRole('link')).toBeNull()
})

function descriptionOf(element: HTMLElement): string {
  const ids = element.getAttribute('aria-describedby')?.split(' ') ?? []
  return ids.map((id) => document.getElementById(id)?.textContent).join(' ')
}
