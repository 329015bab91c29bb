/** What the page shows of the API key; the key itself is not in the store. */

import { createSlice, type PayloadAction } from '@reduxjs/toolkit'
import type { Connection } from './api'
import { noAccess, type Access } from './apiKey'

export const access = createSlice({
  name: 'access',
  initialState: noAccess,
  reducers: { changed: (_, { payload }: PayloadAction<Access>) => payload },
})

type Thunk = (_dispatch: unknown, _getState: unknown, { server }: Connection) => void

export function giveKey(text: string): Thunk {
  return (_dispatch, _getState, { server }) => server.key.give(text)
}

export function declineKey(): Thunk {
  return (_dispatch, _getState, { server }) => server.key.decline()
}

export function forgetKey(): Thunk {
  return (_dispatch, _getState, { server }) => server.key.forget()
}
