/**
 * What the API's answers mean: a message id, or a refusal sorted by where it is shown. Pure.
 *
 * A refusal is `certain` when gomail itself said no. A broken connection or a gateway's page says
 * nothing about the email, which may be on a queue all the same; the sentences admit that.
 */

import { isRecord, parseObject } from './json'
import { placeOf } from './places'

export interface Refusal {
  /** Sentences that belong somewhere in the form, by the server's keys, such as `to.1.email`. */
  fields: Record<string, string>
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

/** Why a file cannot be sent, where reading it failed before anything was. */
export function unreadableFile(index: number): Refusal {
  const sentence = 'The file can no longer be read. Remove it and attach it again.'
  return { fields: { [`attachments.${index}`]: sentence }, above: [], certain: true }
}

/** Null once the email is canceled; else why it is not, or may not be. */
export function readCancellation(answer: RawAnswer | null): string | null {
  if (answer === null) return 'No answer from the server. Whether it is canceled is not known.'
  if (isSuccess(answer.status)) return null
  const errors = parseObject(answer.text)?.errors
  const base = isRecord(errors) ? errors.base : null
  return typeof base === 'string' && base !== ''
    ? base
    : `The server did not cancel it (status ${answer.status}).`
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
    if (placeOf(name)) {
      refusal.fields[name] = sentence
    } else if (name === 'base') {
      refusal.above.push(status === 503 || status === 429 ? withAdvice(sentence, retryAfter) : sentence)
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
