/** The only way from the page to the server. It answers in typed values and typed refusals. */

import { createApi, fakeBaseQuery } from '@reduxjs/toolkit/query/react'
import { noAnswer, readAnswer, readCancellation, unreadableFile, type Refusal } from './answer'
import type { Attachment } from './attachments'
import { base64 } from './contents'
import { toRequest, type Draft } from './email'
import { nothingKnown, type Follower, type Life } from './follower'
import { post, postCancel, type Server } from './server'
import { CALLED_OFF } from './upload'
import { uploaded } from './uploading'

/** What the store hands to every request. */
export interface Connection {
  server: Server
  follower: Follower
  /** Those that can be called off, by the id of the submit. */
  uploads: Map<string, AbortController>
}

/** One press of the button. */
export interface Sending {
  id: string
  draft: Draft
}

export type SendError = Refusal | typeof CALLED_OFF

export const api = createApi({
  reducerPath: 'api',
  baseQuery: fakeBaseQuery<SendError>(),
  endpoints: (build) => ({
    sendEmail: build.mutation<{ messageId: string }, Sending>({
      async queryFn({ id, draft }, { extra, dispatch }) {
        const { server, uploads } = extra as Connection
        const contents = await readContents(draft.attachments)
        if ('refusal' in contents) return { error: contents.refusal }
        const calledOff = new AbortController()
        uploads.set(id, calledOff)
        const answer = await post(server, '/email/send', toRequest(draft, contents.all), {
          signal: calledOff.signal,
          onProgress: (share) => dispatch(uploaded({ id, share })),
        })
        uploads.delete(id)
        if (answer === CALLED_OFF) return { error: CALLED_OFF }
        if (answer === null) return { error: noAnswer() }
        const reading = readAnswer(answer)
        return 'refusal' in reading ? { error: reading.refusal } : { data: reading }
      },
    }),
    /** Call back an email that is scheduled; the answer is why that failed, or null. */
    cancelEmail: build.mutation<string | null, string>({
      async queryFn(messageId, { extra }) {
        const { server } = extra as Connection
        return { data: readCancellation(await postCancel(server, messageId)) }
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

/** Ends the upload of a submit; nothing where it is over. */
export function callOff(id: string) {
  return (_dispatch: unknown, _getState: unknown, { uploads }: Connection) => {
    uploads.get(id)?.abort()
  }
}

/** In base64, one after the other, so that no more than one file is read twice over. */
async function readContents(
  attachments: readonly Attachment[],
): Promise<{ all: string[] } | { refusal: Refusal }> {
  const all: string[] = []
  for (const { file } of attachments) {
    try {
      // oxlint-disable-next-line no-await-in-loop
      all.push(await base64(file))
    } catch {
      return { refusal: unreadableFile(all.length) }
    }
  }
  return { all }
}

export const { useSendEmailMutation, useCancelEmailMutation, useLifeQuery } = api
