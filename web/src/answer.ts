/**
 * What the API's answers mean: a message id, or a refusal sorted by where it is shown. Pure.
 *
 * A refusal is `certain` when gomail itself said no. A broken connection or a gateway's page says
 * nothing about the email, which may be on a queue all the same; the sentences admit that.
 */

import { isFieldName, type FieldName } from './email'
import { isRecord, parseObject } from './json'

export interface Refusal {
  /** Sentences that belong to a field of the form. */
  fields: Partial<Record<FieldName, string>>
  /** Sentences about the whole, and about fields the form does not have. */
  above: string[]
  certain: boolean
}

export interface RawAnswer {
  status: number
  retryAfter: string | null
  text: string
}

export type Reading = { messageId: string } | { refusal: Refusal }

const MAYBE_QUEUED = 'The email may have been queued all the same.'

export function readAnswer(answer: RawAnswer): Reading {
  const json = parseObject(answer.text)
  if (isSuccess(answer.status)) {
    const messageId = json?.messageId
    return typeof messageId === 'string' && messageId !== ''
      ? { messageId }
      : { refusal: notTheApi(answer.status) }
  }
  const errors = json?.errors
  return { refusal: isRecord(errors) ? sort(errors, answer) : notTheApi(answer.status) }
}

export function noAnswer(): Refusal {
  return uncertain(
    'No answer from the server. Check your connection and that gomail is running, then send again.',
  )
}

function notTheApi(status: number): Refusal {
  return uncertain(
    status >= 500
      ? `The server failed with status ${status} and gave no reason. Wait a moment, then send again.`
      : `What answered (status ${status}) is not the gomail API. Set apiBase in config.json to the API’s address, then reload this page.`,
  )
}

function uncertain(sentence: string): Refusal {
  return { fields: {}, above: [sentence, MAYBE_QUEUED], certain: false }
}

function sort(errors: Record<string, unknown>, { status, retryAfter }: RawAnswer): Refusal {
  const refusal: Refusal = { fields: {}, above: [], certain: true }
  for (const [name, value] of Object.entries(errors)) {
    const sentence = String(value)
    if (isFieldName(name)) {
      refusal.fields[name] = sentence
    } else if (name === 'base') {
      refusal.above.push(status === 503 ? withAdvice(sentence, retryAfter) : sentence)
    } else {
      refusal.above.push(sentence.includes(name) ? sentence : `${name}: ${sentence}`)
    }
  }
  return Object.keys(errors).length > 0 ? refusal : notTheApi(status)
}

/** `Retry-After` is seconds; a date, or a header that CORS hides, reads as "a moment". */
function withAdvice(sentence: string, retryAfter: string | null): string {
  const seconds = /^\d+$/.test(retryAfter ?? '') ? Number(retryAfter) : 0
  const wait = seconds === 0 ? 'a moment' : seconds === 1 ? '1 second' : `${seconds} seconds`
  return `${sentence.replace(/\.$/, '')}. Try again in ${wait}.`
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300
}
