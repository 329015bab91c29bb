/** Why there is no live status, in a sentence, and whether asking again can help. Pure. */

import type { RawAnswer } from './answer'
import { isRecord, parseObject } from './json'

export interface Trouble {
  sentence: string
  /** Asking again may help. */
  again: boolean
  /** Seconds that the server asks to be left alone; 0 where it does not say. */
  pause: number
}

const none = (why: string): Trouble => ({ sentence: `No live status: ${why}`, again: false, pause: 0 })
const later = (sentence: string, pause = 0): Trouble => ({ sentence, again: true, pause })

export const notServed = none('this server has none.')
export const broken = later('Live status was interrupted. Trying again.')
/** The place to resume at is none that this ledger gave. */
export const misplaced = later('Live status was interrupted. Trying again.')
export const waiting = later('Live status follows once fewer emails are under way.')

/** What an answer means that is not the one that was asked for; null: no answer came. */
export function toTrouble(answer: RawAnswer | null): Trouble {
  if (answer === null) return later('No connection for live status. Trying again.')
  const reason = ownReason(answer)
  const pause = seconds(answer.retryAfter)
  switch (answer.status) {
    case 401:
    case 403:
      return none(reason ?? 'this server does not show it to this browser.')
    case 404:
    case 405:
      return notServed
    case 422:
      return misplaced
    case 503:
      // gomail says when to come back, unless that would change nothing.
      if (reason && answer.retryAfter === null) return none(reason)
      return later(`Live status is not available just now. Trying again.`, pause)
    default:
      return answer.status < 300
        ? notServed
        : later(`Live status is not available just now. Trying again.`, pause)
  }
}

/** The same for one email: here 404 is about the email. */
export function toEmailTrouble(answer: RawAnswer | null): Trouble {
  return answer?.status === 404
    ? later('Nothing is known of this email yet. Looking again.')
    : toTrouble(answer)
}

/** gomail's own sentence; a gateway's page has none. */
function ownReason({ text }: RawAnswer): string | null {
  const errors = parseObject(text)?.errors
  const base = isRecord(errors) ? errors.base : null
  return typeof base === 'string' && base !== '' ? `${base.replace(/\.$/, '')}.` : null
}

function seconds(retryAfter: string | null): number {
  return /^\d{1,5}$/.test(retryAfter ?? '') ? Number(retryAfter) : 0
}
