import { expect, test } from 'vitest'
import { attach } from './attachments'
import { completed, emptyDraft, recipientsOf, toRequest, type Draft } from './email'

const ann = { email: 'ann@example.com', name: '' }
const ben = { email: 'ben@example.com', name: 'Ben' }
const people = (...done: { email: string; name: string }[]) => ({ done, typed: '' })
const draft = (changes: Partial<Draft>): Draft => ({ ...emptyDraft, ...changes })

test('an optional field that is empty does not travel, a required one does', () => {
  const request = toRequest(draft({ to: people(ann), subject: 'Hello' }), [])

  expect(request).toEqual({
    email: { fromEmail: '', toEmail: 'ann@example.com', subject: 'Hello', body: '' },
  })
})

test('an email that uses no later field is written in the first ones', () => {
  const plain = {
    fromName: 'Ann',
    fromEmail: 'ann@example.com',
    subject: 'Hello',
    body: 'Two\nlines',
  }

  expect(toRequest(draft({ ...plain, to: people(ben) }), [])).toEqual({
    email: { ...plain, toName: 'Ben', toEmail: 'ben@example.com' },
  })
})

test('several recipients, both bodies and files travel in the later fields', () => {
  const [logo, data] = attach([
    new File(['x'], 'logo.png', { type: 'image/png' }),
    new File(['y'], 'data', { type: '' }),
  ])
  const request = toRequest(
    draft({
      to: people(ann, ben),
      bcc: people(ben),
      body: 'Hello',
      html: '<b>Hello</b>',
      attachments: [{ ...logo!, contentId: 'logo' }, data!],
    }),
    ['eA==', 'eQ=='],
  )

  expect(request.email).toEqual({
    fromEmail: '',
    to: [{ email: 'ann@example.com' }, { email: 'ben@example.com', name: 'Ben' }],
    bcc: [{ email: 'ben@example.com', name: 'Ben' }],
    body: 'Hello',
    html: '<b>Hello</b>',
    attachments: [
      { filename: 'logo.png', content: 'eA==', contentType: 'image/png', contentId: 'logo' },
      { filename: 'data', content: 'eQ==' },
    ],
  })
})

test('HTML alone needs no text beside it', () => {
  expect(toRequest(draft({ html: '<p>Hello' }), []).email).not.toHaveProperty('body')
})

test('times travel with their zone', () => {
  const { sendAt } = toRequest(draft({ sendAt: '2026-11-24T15:00' }), []).email

  expect(sendAt).toBe(new Date(2026, 10, 24, 15).toISOString())
})

test('a recipient that is still being typed is sent to', () => {
  const whole = completed(draft({ to: { done: [ann], typed: 'Ben <ben@example.com>' } }))

  expect(whole.to).toEqual(people(ann, ben))
  expect(recipientsOf(whole)).toBe('ann@example.com and 1 more')
})
