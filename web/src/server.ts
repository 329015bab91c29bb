/** The requests that api.ts makes. Nothing else asks the server, apart from reading config.json. */

import type { RawAnswer } from './answer'
import type { ApiKey } from './apiKey'
import { frames, type Frame } from './eventStream'
import { isRecord, parseObject } from './json'
import { readEmail, type EmailRecord } from './record'
import { toEmailTrouble, toTrouble, type Trouble } from './trouble'
import { CALLED_OFF, upload, type Watch } from './upload'

/** Where the API is, and how it is asked. */
export interface Server {
  apiBase: string
  fetch: typeof globalThis.fetch
  key: ApiKey
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
    const blob = new Blob([text])
    return withKey(server, (key) => upload(server.apiBase + path, blob, watch, key))
  }
  return ask(server, path, PATIENCE_MS, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: text,
  })
}

/** Null when no complete answer came. */
export function postCancel(server: Server, id: string): Promise<RawAnswer | null> {
  return ask(server, `/email/${encodeURIComponent(id)}/cancel`, READING_MS, {
    method: 'POST',
    headers: { accept: 'application/json' },
  })
}

/** What the ledger holds of one email. */
export async function getEmail(
  server: Server,
  id: string,
): Promise<{ email: EmailRecord } | { trouble: Trouble }> {
  const answer = await ask(server, `/email/${encodeURIComponent(id)}`, READING_MS, {
    headers: { accept: 'application/json' },
  })
  const email = answer?.status === 200 ? readEmail(answer.text) : null
  return email ? { email } : { trouble: toEmailTrouble(answer) }
}

/**
 * Events of these emails, from now on or after a place. `fetch` and not `EventSource`, which does
 * not tell why it was refused, goes on asking, and would have the API key in the address.
 */
export async function openEvents(
  server: Server,
  { ids, after, signal }: { ids: string[]; after: string | null; signal: AbortSignal },
): Promise<{ frames: AsyncIterable<Frame> } | { trouble: Trouble }> {
  const query = new URLSearchParams(ids.map((id) => ['id', id]))
  // In the address and not as a header, which would cost another origin's page a preflight.
  if (after !== null) query.append('after', after)
  try {
    const answer = await withKey(server, async (key) => {
      const response = await server.fetch(`${server.apiBase}/events?${query}`, {
        headers: { accept: 'text/event-stream', ...key },
        cache: 'no-store',
        signal,
      })
      const isStream = response.headers.get('content-type')?.startsWith('text/event-stream')
      return response.status === 200 && isStream && response.body
        ? { frames: frames(response.body) }
        : raw(response)
    })
    return 'frames' in answer ? answer : { trouble: toTrouble(answer) }
  } catch {
    return { trouble: toTrouble(null) }
  }
}

/** @param patience in milliseconds, for each try: a person may take longer to find a key. */
async function ask(
  server: Server,
  path: string,
  patience: number,
  init: RequestInit,
): Promise<RawAnswer | null> {
  try {
    return await withKey(server, async (key) =>
      raw(
        await server.fetch(server.apiBase + path, {
          ...init,
          headers: { ...init.headers, ...key },
          signal: AbortSignal.timeout(patience),
        }),
      ),
    )
  } catch {
    return null
  }
}

/** Makes a request with the key, and again once the person has given the key that the API wants. */
async function withKey<T>(
  { key }: Server,
  request: (header: Record<string, string>) => Promise<T>,
): Promise<T> {
  for (;;) {
    const used = key.current
    // Each try depends on how the one before ended.
    // oxlint-disable-next-line no-await-in-loop
    const answer = await request(used === null ? {} : { authorization: `Bearer ${used}` })
    // oxlint-disable-next-line no-await-in-loop
    if (!wantsKey(answer) || (await key.other(used)) === null) return answer
  }
}

/** gomail's own 401; a proxy's is about something else. */
function wantsKey(answer: unknown): boolean {
  if (!isRecord(answer) || answer.status !== 401) return false
  return isRecord(parseObject(String(answer.text))?.errors)
}

async function raw(response: Response): Promise<RawAnswer> {
  return {
    status: response.status,
    retryAfter: response.headers.get('retry-after'),
    text: await response.text(),
  }
}
