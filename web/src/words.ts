/** What the ledger's words and the providers' codes mean, in sentences for people. Pure. */

import type { Attempt, EmailRecord, Outcome } from './record'

/** How a state looks; each has a colour and a shape. */
export type Tone = 'waiting' | 'good' | 'doubt' | 'bad' | 'plain'

export interface Told {
  tone: Tone
  state: string
  /** Why it is so. */
  because: string | null
  /** What follows, or what to bear in mind. */
  note: string | null
}

export function tell(record: EmailRecord): Told {
  const by = providerName(record.provider)
  switch (record.status) {
    case 'scheduled':
      return { tone: 'waiting', state: scheduled(record), because: null, note: null }
    case 'queued':
      return { tone: 'waiting', state: 'Queued', because: null, note: null }
    case 'sending':
      return {
        tone: 'waiting',
        state: record.tries > 1 ? `Sending through ${by}, try ${record.tries}` : `Sending through ${by}`,
        because: null,
        note: record.possibleDuplicate ? MAYBE_TWICE : null,
      }
    case 'sent':
      return {
        tone: 'good',
        state: `Sent via ${by}`,
        because: `${by} accepted it and takes it from here.`,
        note: record.possibleDuplicate ? TWICE : null,
      }
    case 'retrying':
      return {
        tone: 'doubt',
        state: 'Trying again',
        because: lastReason(record),
        note: 'Next: another provider, or a later time.',
      }
    case 'unknown':
      return {
        tone: 'doubt',
        state: 'May have been sent',
        because: lastReason(record),
        note: `It is tried again. ${MAYBE_TWICE}`,
      }
    case 'refused':
      return { tone: 'bad', state: 'Refused', because: lastReason(record), note: SET_ASIDE }
    case 'failed':
      return { tone: 'bad', state: givenUp(record), because: lastReason(record), note: SET_ASIDE }
    case 'canceled':
      return {
        tone: 'plain',
        state: 'Canceled',
        because: 'It was called back before it was sent.',
        note: null,
      }
    case 'expired':
      return { tone: 'bad', state: 'Expired', because: reason('', null, 'expired'), note: NOT_SENT }
    default:
      return record.status satisfies never
  }
}

const TWICE = 'It may have been sent twice: an answer to an earlier try was lost.'
const MAYBE_TWICE = 'The recipient may get it twice.'
const NOT_SENT = 'It was set aside and is not sent any more.'
const SET_ASIDE = 'It was set aside and is not tried again by itself.'

/** What one attempt brought. */
export function tellAttempt(attempt: Attempt, { underWay }: { underWay: boolean }): string {
  if (attempt.outcome !== null) return reason(attempt.provider, attempt.outcome, attempt.code)
  if (attempt.code === 'redriven') return 'An operator brought it back from the dead letters.'
  return underWay ? 'Under way.' : 'It was cut off; what came of it is not known.'
}

export function toneOf(attempt: Attempt, { underWay }: { underWay: boolean }): Tone {
  if (attempt.outcome === 'accepted') return 'good'
  if (attempt.outcome === 'refused') return 'bad'
  return underWay ? 'waiting' : 'doubt'
}

export function providerName(name: string): string {
  return { ses: 'SES', sendgrid: 'SendGrid' }[name] ?? (name || 'a provider')
}

export function duration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`
  const minutes = Math.round(milliseconds / 60_000)
  if (minutes < 60) return count(minutes, 'minute')
  const hours = Math.round(milliseconds / 3_600_000)
  return hours < 48 ? count(hours, 'hour') : count(Math.round(hours / 24), 'day')
}

function count(amount: number, unit: string): string {
  return `${amount} ${unit}${amount === 1 ? '' : 's'}`
}

function scheduled({ sendAt }: EmailRecord): string {
  return sendAt === null ? 'Scheduled' : `Scheduled for ${ofMinute.format(sendAt)}`
}

const ofMinute = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })

function givenUp({ queuedAt, updatedAt }: EmailRecord): string {
  return queuedAt !== null && updatedAt !== null && updatedAt > queuedAt
    ? `Given up after ${duration(updatedAt - queuedAt)}`
    : 'Given up'
}

function lastReason(record: EmailRecord): string {
  const last = record.attempts.find((attempt) => attempt.number === record.tries)
  const outcome = last?.outcome ?? (record.status === 'unknown' ? 'unknown' : null)
  // What ends an email names the reason that the end has; the last attempt's own is better known.
  return reason(record.provider, outcome, (last?.outcome && last.code) || record.code)
}

function reason(provider: string, outcome: Outcome | null, code: string): string {
  const by = providerName(provider)
  const known = codes.find(
    (entry) =>
      entry.code.test(code) && (entry.of === undefined || outcome === null || entry.of === outcome),
  )
  const sentence = (outcome === 'accepted' ? undefined : known?.says) ?? plain[outcome ?? 'none']
  const text = sentence.replaceAll('{by}', by)
  return text.charAt(0).toUpperCase() + text.slice(1)
}

const plain: Record<Outcome | 'none', string> = {
  accepted: '{by} accepted it.',
  refused: '{by} finds fault with the email itself.',
  unsuitable: '{by} cannot carry this email; another provider may.',
  throttled: '{by} takes no more for the moment: too many emails at once.',
  quota: 'The allowance for sending through {by} is used up for now.',
  failed: '{by} could not take it.',
  unknown: 'It is not known whether {by} took it.',
  none: '{by} did not take it.',
}

/**
 * The frequent codes, by the outcome they come with where they come with several; the first that
 * fits. SES has names, SendGrid the HTTP status, and the rest are gomail's own.
 */
const codes: { code: RegExp; of?: Outcome; says: string }[] = [
  { code: /^not-sent$/, says: '{by} could not be reached.' },
  { code: /^no-answer$/, says: 'The email was handed to {by}, and no answer came back.' },
  { code: /^unreadable$/, says: 'The answer of {by} could not be understood.' },
  { code: /^translate$/, says: 'The email could not be put into the form that {by} takes.' },
  { code: /^sign$/, says: 'There are no usable credentials for {by}.' },
  { code: /^given-up$/, says: 'No provider accepted it in time.' },
  { code: /^expired$/, says: 'The time limit its sender set was over before a provider accepted it.' },
  { code: /^MessageRejected/, of: 'refused', says: '{by} rejected the content of the email.' },
  {
    code: /^(BadRequest|Validation)Exception$|^InvalidParameter|^(400|422)$/,
    of: 'refused',
    says: '{by} finds a mistake in the email, such as an address that cannot be.',
  },
  { code: /^MailFromDomainNotVerified/, says: 'The sender’s domain is not set up at {by}.' },
  { code: /^403$/, of: 'unsuitable', says: '{by} does not know this sender.' },
  { code: /^RequestEntityTooLarge|^413$/, says: 'The email is too large for {by}.' },
  { code: /^TooManyRequests|Throttl|^429$/, says: plain.throttled },
  { code: /^LimitExceeded/, says: plain.quota },
  { code: /^(AccountSuspended|\w*SendingPaused)/, says: 'Sending through {by} is paused there.' },
  {
    code: /^(NotFoundException|ConfigurationSetDoesNotExist)/,
    says: 'The settings name something that {by} does not have.',
  },
  { code: /^RequestExpired|^RequestTimeTooSkewed/, says: 'The sending machine’s clock is wrong.' },
  {
    code: /AccessDenied|^ExpiredToken|UnrecognizedClient|Signature|^Invalid\w*(Id|Token)$|^40[13]$/,
    of: 'failed',
    says: '{by} does not accept our credentials.',
  },
  { code: /^402$/, of: 'failed', says: '{by} asks for its bill to be paid.' },
  { code: /^RequestTimeout|^(408|502|504)$/, says: 'No answer of {by} came through in time.' },
  { code: /^(500|503)$|^InternalFailure|^ServiceUnavailable/, says: '{by} has a failure of its own.' },
]
