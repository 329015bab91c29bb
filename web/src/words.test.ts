import { expect, test } from 'vitest'
import { readEmail } from './record'
import { email, tried } from './testRecords'
import { duration, providerName, tell, tellAttempt } from './words'

const told = (status: string, changes: Record<string, unknown> = {}) =>
  tell(readEmail(JSON.stringify(email(status, changes)))!)
const failed = (outcome: string | null, code: string | null, provider = 'ses') =>
  told('retrying', { provider, code, attempts: [tried(1, { provider, outcome, code })] }).because

test('sent is the provider’s acceptance and no more', () => {
  expect(told('sent', { attempts: [tried(1)] })).toEqual({
    tone: 'good',
    state: 'Sent via SES',
    because: 'SES accepted it and takes it from here.',
    note: null,
  })
})

test('a later try is counted', () => {
  const attempts = [tried(1, { outcome: 'failed' }), tried(2, { outcome: null })]

  expect(told('sending', { attempts }).state).toBe('Sending through SES, try 2')
})

test('an unknown outcome says that it may have been sent', () => {
  const attempts = [tried(1, { outcome: 'unknown', code: 'no-answer' })]

  expect(told('unknown', { attempts })).toMatchObject({
    tone: 'doubt',
    state: 'May have been sent',
    because: 'The email was handed to SES, and no answer came back.',
  })
})

test('giving up names the time it took and the last reason', () => {
  const attempts = [tried(1, { outcome: 'failed', code: 'not-sent' })]
  const changes = { code: 'given-up', updatedAt: '2026-02-01T12:00:00.000Z', attempts }

  expect(told('failed', changes)).toMatchObject({
    tone: 'bad',
    state: 'Given up after 24 hours',
    because: 'SES could not be reached.',
  })
  expect(told('failed', { ...changes, attempts: [] }).because).toBe(
    'No provider accepted it in time.',
  )
})

test('a refusal says why', () => {
  const attempts = [tried(1, { outcome: 'refused', code: 'MessageRejected' })]

  expect(told('refused', { code: 'MessageRejected', attempts })).toMatchObject({
    tone: 'bad',
    state: 'Refused',
    because: 'SES rejected the content of the email.',
  })
})

test.each([
  ['refused', 'SomethingNew', 'SES finds fault with the email itself.'],
  ['unsuitable', 'MessageRejected', 'SES cannot carry this email; another provider may.'],
  ['unsuitable', '413', 'The email is too large for SES.'],
  ['unsuitable', '403', 'SES does not know this sender.'],
  ['throttled', null, 'SES takes no more for the moment: too many emails at once.'],
  ['quota', '401', 'The allowance for sending through SES is used up for now.'],
  ['failed', '401', 'SES does not accept our credentials.'],
  ['failed', 'InvalidClientTokenId', 'SES does not accept our credentials.'],
  ['failed', 'AccountSuspendedException', 'Sending through SES is paused there.'],
  ['failed', '503', 'SES has a failure of its own.'],
  ['failed', 'SomethingNew', 'SES could not take it.'],
  ['unknown', '504', 'No answer of SES came through in time.'],
  ['unknown', 'ValueError', 'It is not known whether SES took it.'],
  [null, 'not-sent', 'SES could not be reached.'],
  [null, null, 'SES did not take it.'],
])('%s with the code %s: %s', (outcome, code, sentence) => {
  expect(failed(outcome, code)).toBe(sentence)
})

test('a sentence begins with a capital, whatever a provider is called', () => {
  expect(failed('failed', null, 'backup')).toBe('Backup could not take it.')
  expect(providerName('backup')).toBe('backup')
  expect(providerName('')).toBe('a provider')
})

test.each([
  [90, '90 ms'],
  [3000, '3.0 s'],
  [60_000, '1 minute'],
  [5_400_000, '2 hours'],
  [259_200_000, '3 days'],
])('%d ms is %s', (milliseconds, words) => {
  expect(duration(milliseconds)).toBe(words)
})

test('a redrive is told as what it is', () => {
  const attempts = [tried(1, { provider: '', outcome: null, code: 'redriven' })]
  const [redrive] = readEmail(JSON.stringify(email('sending', { attempts })))!.attempts

  expect(tellAttempt(redrive!, { underWay: false })).toContain('An operator brought it back')
})

test('a scheduled email names its time', () => {
  const sendAt = '2026-12-01T09:00:00.000Z'

  expect(told('scheduled', { sendAt }).state).toMatch(/^Scheduled for .*2026/)
  expect(told('scheduled').state).toBe('Scheduled')
})

test('canceled is no fault, expired is one', () => {
  expect(told('canceled')).toMatchObject({
    tone: 'plain',
    state: 'Canceled',
    because: 'It was called back before it was sent.',
  })
  expect(told('expired', { code: 'expired' })).toMatchObject({
    tone: 'bad',
    state: 'Expired',
    because: 'The time limit its sender set was over before a provider accepted it.',
  })
})
