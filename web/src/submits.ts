/**
 * Every submit of this page and what became of it, newest first. Pure.
 *
 * Any number may be under way at a time. What becomes of an email after it was queued is not kept
 * here but asked for by its id, as `life` in api.ts.
 */

import { createSlice } from '@reduxjs/toolkit'
import { noAnswer, type Refusal } from './answer'
import { api } from './api'
import type { Draft } from './email'
import { noErrors, placed, type FormErrors } from './places'
import { CALLED_OFF } from './upload'
import { uploaded } from './uploading'

export type SubmitState =
  /** `share` is how much of a large email is uploaded, from 0 to 1; null for a small one. */
  | { kind: 'queueing'; share: number | null }
  | { kind: 'queued'; messageId: string }
  | { kind: 'refused'; refusal: Refusal }
  | { kind: 'called off' }

export interface Submit {
  id: string
  /** With handles of its files, not their contents. */
  draft: Draft
  /** Milliseconds since the epoch. */
  at: number
  state: SubmitState
}

// More lines than anyone reads, few enough for a page that stays open for months.
const KEPT = 200

export const submits = createSlice({
  name: 'submits',
  initialState: [] as Submit[],
  reducers: {},
  extraReducers: (builder) => {
    const { matchPending, matchFulfilled, matchRejected } = api.endpoints.sendEmail
    builder
      .addCase(uploaded, (list, { payload: { id, share } }) => {
        settle(list, id, { kind: 'queueing', share })
      })
      .addMatcher(matchPending, (list, { meta }) => {
        const { id, draft } = meta.arg.originalArgs
        list.unshift({
          id,
          draft: draft as (typeof list)[number]['draft'],
          at: meta.startedTimeStamp,
          state: { kind: 'queueing', share: null },
        })
        list.splice(KEPT)
      })
      .addMatcher(matchFulfilled, (list, { meta, payload }) => {
        settle(list, meta.arg.originalArgs.id, { kind: 'queued', messageId: payload.messageId })
      })
      .addMatcher(matchRejected, (list, { meta, payload }) => {
        settle(
          list,
          meta.arg.originalArgs.id,
          payload === CALLED_OFF
            ? { kind: CALLED_OFF }
            : { kind: 'refused', refusal: payload ?? noAnswer() },
        )
      })
  },
})

function settle(list: Submit[], id: string, state: SubmitState): void {
  const submit = list.find((one) => one.id === id)
  if (submit) submit.state = state
}

/**
 * The errors that the form shows: those of the newest submit only, and only where the form still
 * holds what was refused. What became of older submits is told in their own lines.
 */
export function standingErrors(list: Submit[], draft: Draft): FormErrors {
  const newest = list[0]
  return newest?.state.kind === 'refused'
    ? placed(newest.state.refusal, newest.draft, draft)
    : noErrors
}
