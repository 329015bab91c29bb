/** The only place that talks to the server. It answers in typed values and typed refusals. */

import { createApi, fakeBaseQuery } from '@reduxjs/toolkit/query/react'
import { noAnswer, readAnswer, type RawAnswer, type Refusal } from './answer'
import { toRequest, type Draft } from './email'

/** What the store hands to every request. */
export interface Server {
  apiBase: string
  fetch: typeof globalThis.fetch
}

// The API answers within its enqueue_timeout of 5 s; whoever takes six times that is gone.
const PATIENCE_MS = 30_000

export const api = createApi({
  reducerPath: 'api',
  baseQuery: fakeBaseQuery<Refusal>(),
  endpoints: (build) => ({
    sendEmail: build.mutation<{ messageId: string }, Draft>({
      async queryFn(draft, { extra }) {
        const answer = await post(extra as Server, '/email/send', toRequest(draft))
        if (answer === null) return { error: noAnswer() }
        const reading = readAnswer(answer)
        return 'refusal' in reading ? { error: reading.refusal } : { data: reading }
      },
    }),
  }),
})

export const { useSendEmailMutation } = api

/** Null when no complete answer came. */
async function post(server: Server, path: string, body: unknown): Promise<RawAnswer | null> {
  try {
    const response = await server.fetch(server.apiBase + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE_MS),
    })
    return {
      status: response.status,
      retryAfter: response.headers.get('retry-after'),
      text: await response.text(),
    }
  } catch {
    return null
  }
}
