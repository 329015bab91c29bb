/**
 * What the ledger says of one email: read from JSON, and brought together from two sources. Pure.
 *
 * A stream of events tells at once and in part, `GET /email/{id}` tells all. They overtake each
 * other, and clocks of several machines differ; so what is newer is told by how far an email is.
 */

import { isRecord, parseObject } from './json'

const statuses = [
  'scheduled',
  'queued',
  'sending',
  'sent',
  'retrying',
  'unknown',
  'refused',
  'failed',
  'canceled',
  'expired',
] as const
export type Status = (typeof statuses)[number]

const outcomes = [
  'accepted',
  'refused',
  'unsuitable',
  'throttled',
  'quota',
  'failed',
  'unknown',
] as const
export type Outcome = (typeof outcomes)[number]

export interface Attempt {
  number: number
  provider: string
  /** Null while it is under way, and where it was cut off. */
  outcome: Outcome | null
  code: string
  message: string
  /** Milliseconds since the epoch. */
  startedAt: number | null
  durationMs: number | null
  possibleDuplicate: boolean
}

export interface EmailRecord {
  status: Status
  /** Who accepted it, or who tried it last; empty before the first attempt. */
  provider: string
  code: string
  detail: string
  queuedAt: number | null
  updatedAt: number | null
  /** Not sent before; null where it may be at once. */
  sendAt: number | null
  /** The number of the last attempt that was begun. */
  tries: number
  possibleDuplicate: boolean
  /** In order; an attempt that only an event has told of is not here yet. */
  attempts: Attempt[]
}

export interface StatusEvent {
  id: string
  status: Status
  provider: string
  code: string
  detail: string
  at: number | null
  /** The attempt's number; 0 where it is about none. */
  number: number
  possibleDuplicate: boolean
}

const ends: ReadonlySet<Status> = new Set(['sent', 'refused', 'failed', 'canceled', 'expired'])

export function hasEnded(record: EmailRecord | null): boolean {
  return record !== null && ends.has(record.status)
}

/** Null for what is not the ledger's. */
export function readEmail(text: string): EmailRecord | null {
  const json = parseObject(text)
  const status = oneOf(statuses, json?.status)
  if (json === null || status === null || !Array.isArray(json.attempts)) return null
  const attempts = json.attempts.filter(isRecord).map(readAttempt)
  return {
    status,
    provider: words(json.provider),
    code: words(json.code),
    detail: words(json.detail),
    queuedAt: time(json.queuedAt),
    updatedAt: time(json.updatedAt),
    sendAt: time(json.sendAt),
    tries: Math.max(0, ...attempts.map((attempt) => attempt.number)),
    possibleDuplicate: attempts.some((attempt) => attempt.possibleDuplicate),
    attempts,
  }
}

export function readEvent(text: string): StatusEvent | null {
  const json = parseObject(text)
  const status = oneOf(statuses, json?.status)
  if (json === null || status === null || typeof json.id !== 'string') return null
  return {
    id: json.id,
    status,
    provider: words(json.provider),
    code: words(json.code),
    detail: words(json.detail),
    at: time(json.at),
    number: amount(json.number) ?? 0,
    possibleDuplicate: json.possibleDuplicate === true,
  }
}

/** The record once an event is known; the same one where the event tells of what has passed. */
export function afterEvent(record: EmailRecord | null, event: StatusEvent): EmailRecord {
  const { status, provider, code, detail, at } = event
  const before = record ?? nothingYet
  const after: EmailRecord = {
    status,
    provider: provider || before.provider,
    code,
    detail,
    queuedAt: before.queuedAt ?? (isWaiting(status) ? at : null),
    updatedAt: at,
    sendAt: before.sendAt,
    tries: event.number || (isWaiting(status) ? 0 : before.tries),
    possibleDuplicate: before.possibleDuplicate || event.possibleDuplicate,
    attempts: before.attempts,
  }
  return record && (hasEnded(record) || progress(after) < progress(record)) ? record : after
}

/** The record once the whole of it was read; the same one where events were faster. */
export function afterReading(record: EmailRecord | null, reading: EmailRecord): EmailRecord {
  return record && progress(reading) < progress(record) ? record : reading
}

const nothingYet: EmailRecord = {
  status: 'queued',
  provider: '',
  code: '',
  detail: '',
  queuedAt: null,
  updatedAt: null,
  sendAt: null,
  tries: 0,
  possibleDuplicate: false,
  attempts: [],
}

function progress(record: EmailRecord): number {
  if (hasEnded(record)) return Infinity
  return record.tries * 4 + (steps.get(record.status) ?? 3)
}

const steps: ReadonlyMap<Status, number> = new Map([
  ['scheduled', 0],
  ['queued', 1],
  ['sending', 2],
])

function isWaiting(status: Status): boolean {
  return status === 'scheduled' || status === 'queued'
}

function readAttempt(json: Record<string, unknown>): Attempt {
  return {
    number: amount(json.number) ?? 0,
    provider: words(json.provider),
    outcome: oneOf(outcomes, json.outcome),
    code: words(json.code),
    message: words(json.message),
    startedAt: time(json.startedAt),
    durationMs: amount(json.durationMs),
    possibleDuplicate: json.possibleDuplicate === true,
  }
}

function oneOf<T extends string>(known: readonly T[], value: unknown): T | null {
  return known.find((one) => one === value) ?? null
}

function words(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function amount(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}

function time(value: unknown): number | null {
  return typeof value === 'string' ? amount(Date.parse(value)) : null
}
