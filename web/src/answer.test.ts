import { expect, test } from 'vitest'
import { noAnswer, readAnswer } from './answer'

const read = (status: number, body: unknown, retryAfter: string | null = null) =>
  readAnswer({
    status,
    retryAfter,
    text: typeof body === 'string' ? body : JSON.stringify(body),
  })

const page = '<!doctype html><title>Not here</title>'

test('a 200 gives the message id', () => {
  expect(read(200, { messageId: '0190-a' })).toEqual({ messageId: '0190-a' })
})

test('errors of known fields stay at their fields', () => {
  const errors = { fromEmail: 'From email is required', body: 'Body is required' }

  expect(read(422, { errors })).toEqual({ refusal: { fields: errors, above: [], certain: true } })
})

test('a base error goes above', () => {
  expect(read(400, { errors: { base: 'Could not decode JSON body' } })).toEqual({
    refusal: { fields: {}, above: ['Could not decode JSON body'], certain: true },
  })
})

test.each([
  ['Unknown field', 'nickname: Unknown field'],
  ['nickname is not a known field', 'nickname is not a known field'],
])('an error of an unknown field goes above and names it: %s', (sentence, shown) => {
  expect(read(422, { errors: { nickname: sentence } })).toEqual({
    refusal: { fields: {}, above: [shown], certain: true },
  })
})

test.each([
  ['5', 'Service unavailable. Try again in 5 seconds.'],
  ['1', 'Service unavailable. Try again in 1 second.'],
  [null, 'Service unavailable. Try again in a moment.'],
  ['Wed, 21 Oct 2026 07:28:00 GMT', 'Service unavailable. Try again in a moment.'],
])('a 503 with Retry-After %s says when to try again', (retryAfter, sentence) => {
  const reading = read(503, { errors: { base: 'Service unavailable' } }, retryAfter)

  expect(reading).toMatchObject({ refusal: { above: [sentence], certain: true } })
})

test.each([
  ['a page where JSON was due', 200, page],
  ['a page that says no', 404, page],
  ['a 200 without an id', 200, {}],
  ['a 200 whose id is no text', 200, { messageId: 7 }],
  ['an empty answer', 200, ''],
  ['errors that are none', 422, { errors: {} }],
  ['a list', 200, []],
])('%s is not taken for the API, and says what to correct', (_, status, body) => {
  expect(read(status, body)).toMatchObject({
    refusal: { above: [expect.stringContaining('Set apiBase in config.json'), MAYBE], certain: false },
  })
})

test('a gateway’s page is an uncertain failure with its status', () => {
  expect(read(502, page)).toMatchObject({
    refusal: { above: [expect.stringContaining('status 502'), MAYBE], certain: false },
  })
})

test('no answer at all is uncertain and says what to do', () => {
  expect(noAnswer()).toMatchObject({
    above: [expect.stringContaining('Check your connection'), MAYBE],
    certain: false,
  })
})

const MAYBE = 'The email may have been queued all the same.'
