/** The store, with the server handed in. */

import { configureStore } from '@reduxjs/toolkit'
import { useSelector } from 'react-redux'
import { api, type Connection } from './api'
import { Follower } from './follower'
import { getEmail, openEvents, type Server } from './server'
import { submits, type Submit } from './submits'

export function createStore(server: Server) {
  const follower = new Follower({
    open: (asked) => openEvents(server, asked),
    read: (id) => getEmail(server, id),
  })
  const extraArgument: Connection = { server, follower }
  return configureStore({
    reducer: { [api.reducerPath]: api.reducer, [submits.name]: submits.reducer },
    middleware: (defaults) => defaults({ thunk: { extraArgument } }).concat(api.middleware),
  })
}

type State = ReturnType<ReturnType<typeof createStore>['getState']>

export function useSubmits(): Submit[] {
  return useSelector((state: State) => state.submits)
}
