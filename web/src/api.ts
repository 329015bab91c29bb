/** The only way from the page to the server. It answers in typed values and typed refusals. */

import { createApi, fakeBaseQuery } from '@reduxjs/toolkit/query/react'
import { noAnswer, readAnswer, type Refusal } from './answer'
import { toRequest, type Draft } from './email'
import { nothingKnown, type Follower, type Life } from './follower'
import { post, type Server } from './server'

/** What the store hands to every request. */
export interface Connection {
  server: Server
  follower: Follower
}

export const api = createApi({
  reducerPath: 'api',
  baseQuery: fakeBaseQuery<Refusal>(),
  endpoints: (build) => ({
    sendEmail: build.mutation<{ messageId: string }, Draft>({
      async queryFn(draft, { extra }) {
        const { server } = extra as Connection
        const answer = await post(server, '/email/send', toRequest(draft))
        if (answer === null) return { error: noAnswer() }
        const reading = readAnswer(answer)
        return 'refusal' in reading ? { error: reading.refusal } : { data: reading }
      },
    }),
    /** What becomes of an email, for as long as a component shows it. */
    life: build.query<Life, string>({
      queryFn: () => ({ data: nothingKnown }),
      async onCacheEntryAdded(id, { extra, cacheDataLoaded, cacheEntryRemoved, updateCachedData }) {
        const { follower } = extra as Connection
        await cacheDataLoaded
        const leave = follower.follow(id, (life) => updateCachedData(() => life))
        await cacheEntryRemoved
        leave()
      },
    }),
  }),
})

export const { useSendEmailMutation, useLifeQuery } = api
