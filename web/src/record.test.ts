import { expect, test } from 'vitest'
import {
  afterEvent,
  afterReading,
  hasEnded,
  readEmail,
  readEvent,
  type EmailRecord,
  type Status,
} from './record'
import { email, tried } from './testRecords'

const reading = (status: string, attempts: unknown[] = []) =>
  readEmail(JSON.stringify(email(status, { attempts })))!
const event = (status: string, number: number, more: object = {}) =>
  readEvent(JSON.stringify({ id: 'a', status, number, provider: 'ses', ...more }))!
const follow = (...steps: [Status, number][]) =>
  steps.reduce<EmailRecord | null>(
    (record, [status, number]) => afterEvent(record, event(status, number)),
    null,
  )

test('an email is read with its attempts', () => {
  expect(reading('sent', [tried(1, { outcome: 'quota' }), tried(2)])).toMatchObject({
    status: 'sent',
    provider: 'ses',
    code: '',
    tries: 2,
    updatedAt: Date.UTC(2026, 0, 31, 12, 0, 0, 250),
    attempts: [{ number: 1, outcome: 'quota' }, { number: 2, durationMs: 100 }],
  })
})

test.each(['', '[]', '<html>', '{"status":"sent"}', '{"status":"on the moon","attempts":[]}'])(
  'what is no email of the ledger is none: %s',
  (text) => {
    expect(readEmail(text)).toBeNull()
  },
)

test.each(['', '{}', '{"id":1,"status":"sent"}', '{"id":"a","status":"?"}'])(
  'what is no event of a status is none: %s',
  (text) => {
    expect(readEvent(text)).toBeNull()
  },
)

test('values of a wrong type count as left out', () => {
  const odd = tried(1, { outcome: 'odd', startedAt: 'never', durationMs: '5', code: 7 })

  expect(reading('sent', [odd, 'odd']).attempts).toEqual([
    {
      number: 1,
      provider: 'ses',
      outcome: null,
      code: '',
      message: '',
      startedAt: null,
      durationMs: null,
      possibleDuplicate: false,
    },
  ])
})

test('events lead from state to state', () => {
  expect(follow(['queued', 0], ['sending', 1], ['retrying', 1], ['sending', 2])).toMatchObject({
    status: 'sending',
    tries: 2,
  })
})

test('an event of what has passed changes nothing', () => {
  const record = follow(['sending', 2])!

  expect(afterEvent(record, event('retrying', 1))).toBe(record)
  expect(afterEvent(record, event('queued', 0))).toBe(record)
})

test('an end stays the end', () => {
  const record = follow(['sent', 1])!

  expect(afterEvent(record, event('retrying', 2))).toBe(record)
  expect(afterEvent(record, event('failed', 0))).toBe(record)
})

test('an end without an attempt of its own keeps the number of tries', () => {
  expect(follow(['retrying', 3], ['refused', 0])).toMatchObject({ status: 'refused', tries: 3 })
})

test('a reading that events have overtaken is left aside, another one taken', () => {
  const record = follow(['sending', 2])
  const fresh = reading('sending', [tried(1), tried(2)])

  expect(afterReading(record, reading('retrying', [tried(1)]))).toBe(record)
  expect(afterReading(record, fresh)).toBe(fresh)
})

test('a doubt about copies stays', () => {
  const record = afterEvent(null, event('sending', 2, { possibleDuplicate: true }))

  expect(afterEvent(record, event('sent', 2))).toMatchObject({ possibleDuplicate: true })
})

test('a scheduled email is queued once its time is near, and does not go back', () => {
  const scheduled = afterReading(
    null,
    readEmail(JSON.stringify(email('scheduled', { sendAt: '2026-12-01T09:00:00.000Z' })))!,
  )
  const queued = afterEvent(scheduled, event('queued', 0))

  expect(queued).toMatchObject({ status: 'queued', sendAt: Date.UTC(2026, 11, 1, 9), tries: 0 })
  expect(afterEvent(queued, event('scheduled', 0))).toBe(queued)
})

test.each(['canceled', 'expired'] as const)('%s is an end', (end) => {
  expect(hasEnded(follow(['scheduled', 0], [end, 0]))).toBe(true)
})
