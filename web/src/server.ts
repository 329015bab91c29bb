/** The requests that api.ts makes. Nothing else asks the server, apart from reading config.json. */

import type { RawAnswer } from './answer'
import { frames, type Frame } from './eventStream'
import { readEmail, type EmailRecord } from './record'
import { toEmailTrouble, toTrouble, type Trouble } from './trouble'
import { CALLED_OFF, upload, type Watch } from './upload'

/** Where the API is, and how it is asked. */
export interface Server {
  apiBase: string
  fetch: typeof globalThis.fetch
}

// The API answers within its enqueue_timeout of 5 s; whoever takes six times that is gone.
const PATIENCE_MS = 30_000
// It waits 2 s for the ledger.
const READING_MS = 10_000

// Smaller requests are gone before anybody could see how far they are.
const LARGE_BYTES = 262_144

/** Null when no complete answer came; the upload of a large body can be watched and called off. */
export async function post(
  server: Server,
  path: string,
  body: unknown,
  watch?: Watch,
): Promise<RawAnswer | null | typeof CALLED_OFF> {
  const text = JSON.stringify(body)
  if (watch?.signal.aborted) return CALLED_OFF
  if (watch && text.length >= LARGE_BYTES) {
    return upload(server.apiBase + path, new Blob([text]), watch)
  }
  return ask(server, path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: text,
    signal: AbortSignal.timeout(PATIENCE_MS),
  })
}

/** Null when no complete answer came. */
export function postCancel(server: Server, id: string): Promise<RawAnswer | null> {
  return ask(server, `/email/${encodeURIComponent(id)}/cancel`, {
    method: 'POST',
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(READING_MS),
  })
}

/** What the ledger holds of one email. */
export async function getEmail(
  server: Server,
  id: string,
): Promise<{ email: EmailRecord } | { trouble: Trouble }> {
  const answer = await ask(server, `/email/${encodeURIComponent(id)}`, {
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(READING_MS),
  })
  const email = answer?.status === 200 ? readEmail(answer.text) : null
  return email ? { email } : { trouble: toEmailTrouble(answer) }
}

/**
 * Events of these emails, from now on or after a place. `fetch` and not `EventSource`, which does
 * not tell why it was refused and goes on asking.
 */
export async function openEvents(
  server: Server,
  { ids, after, signal }: { ids: string[]; after: string | null; signal: AbortSignal },
): Promise<{ frames: AsyncIterable<Frame> } | { trouble: Trouble }> {
  const query = new URLSearchParams(ids.map((id) => ['id', id]))
  // In the address and not as a header, which would cost another origin's page a preflight.
  if (after !== null) query.append('after', after)
  try {
    const response = await server.fetch(`${server.apiBase}/events?${query}`, {
      headers: { accept: 'text/event-stream' },
      cache: 'no-store',
      signal,
    })
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream')
    return response.status === 200 && isStream && response.body
      ? { frames: frames(response.body) }
      : { trouble: toTrouble(await raw(response)) }
  } catch {
    return { trouble: toTrouble(null) }
  }
}

async function ask(server: Server, path: string, init: RequestInit): Promise<RawAnswer | null> {
  try {
    return await raw(await server.fetch(server.apiBase + path, init))
  } catch {
    return null
  }
}

async function raw(response: Response): Promise<RawAnswer> {
  return {
    status: response.status,
    retryAfter: response.headers.get('retry-after'),
    text: await response.text(),
  }
}
