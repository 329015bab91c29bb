/**
 * Every submit of this page and what became of it, newest first. Pure.
 *
 * A submit is known by the id of its request, so any number may be under way at a time. What becomes
 * of an email after it was queued is not kept here but asked for by its id, as `life` in api.ts.
 */

import { createSlice } from '@reduxjs/toolkit'
import { noAnswer, type Refusal } from './answer'
import { api } from './api'
import { fieldNames, type Draft } from './email'

export type SubmitState =
  | { kind: 'queueing' }
  | { kind: 'queued'; messageId: string }
  | { kind: 'refused'; refusal: Refusal }

export interface Submit {
  id: string
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
      .addMatcher(matchPending, (list, { meta }) => {
        list.unshift({
          id: meta.requestId,
          draft: meta.arg.originalArgs,
          at: meta.startedTimeStamp,
          state: { kind: 'queueing' },
        })
        list.splice(KEPT)
      })
      .addMatcher(matchFulfilled, (list, { meta, payload }) => {
        settle(list, meta.requestId, { kind: 'queued', messageId: payload.messageId })
      })
      .addMatcher(matchRejected, (list, { meta, payload }) => {
        settle(list, meta.requestId, { kind: 'refused', refusal: payload ?? noAnswer() })
      })
  },
})

function settle(list: Submit[], id: string, state: SubmitState): void {
  const submit = list.find((one) => one.id === id)
  if (submit) submit.state = state
}

const nothing: Refusal = { fields: {}, above: [], certain: true }

/**
 * The errors that the form shows: those of the newest submit only, and at a field only while it
 * holds the value that was refused. What became of older submits is told in their own lines.
 */
export function standingErrors(list: Submit[], draft: Draft): Refusal {
  const newest = list[0]
  if (newest?.state.kind !== 'refused') return nothing
  const { refusal } = newest.state
  const fields: Refusal['fields'] = {}
  for (const name of fieldNames) {
    const sentence = refusal.fields[name]
    if (sentence !== undefined && draft[name] === newest.draft[name]) fields[name] = sentence
  }
  return { ...refusal, fields }
}
