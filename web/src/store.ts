/** The store, with the server handed in. */

import { configureStore, isPlain } from '@reduxjs/toolkit'
import { useDispatch, useSelector } from 'react-redux'
import { access } from './access'
import { api, type Connection } from './api'
import type { Access } from './apiKey'
import { Follower } from './follower'
import { getEmail, openEvents, type Server } from './server'
import { submits, type Submit } from './submits'

export function createStore(server: Server) {
  const follower = new Follower({
    open: (asked) => openEvents(server, asked),
    read: (id) => getEmail(server, id),
  })
  const extraArgument: Connection = { server, follower, uploads: new Map() }
  const store = configureStore({
    reducer: {
      [access.name]: access.reducer,
      [api.reducerPath]: api.reducer,
      [submits.name]: submits.reducer,
    },
    middleware: (defaults) =>
      defaults({
        thunk: { extraArgument },
        // A file's handle is kept as it is: the browser holds what is in it.
        serializableCheck: {
          isSerializable: (value: unknown) => isPlain(value) || value instanceof File,
        },
      }).concat(api.middleware),
  })
  const show = (now: Access) => store.dispatch(access.actions.changed(now))
  show(server.key.access)
  server.key.watch(show)
  return store
}

type Store = ReturnType<typeof createStore>
type State = ReturnType<Store['getState']>

export function useSubmits(): Submit[] {
  return useSelector((state: State) => state.submits)
}

export function useAccess(): Access {
  return useSelector((state: State) => state.access)
}

export const useStoreDispatch = useDispatch.withTypes<Store['dispatch']>()
