import { expect, test } from 'vitest'
import { emptyDraft, toRequest } from './email'

test('an optional field that is empty does not travel, a required one does', () => {
  const draft = { ...emptyDraft, toEmail: 'ben@example.com', subject: 'Hello' }

  const request = toRequest(draft)

  expect(request).toEqual({
    email: { fromEmail: '', toEmail: 'ben@example.com', subject: 'Hello', body: '' },
  })
})

test('a filled form travels whole', () => {
  const draft = {
    fromName: 'Ann',
    fromEmail: 'ann@example.com',
    toName: 'Ben',
    toEmail: 'ben@example.com',
    subject: 'Hello',
    body: 'Two\nlines',
  }

  expect(toRequest(draft)).toEqual({ email: draft })
})
