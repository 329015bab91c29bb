/** The store, with the server handed in. */

import { configureStore } from '@reduxjs/toolkit'
import { useSelector } from 'react-redux'
import { api, type Server } from './api'
import { submits, type Submit } from './submits'

export function createStore(server: Server) {
  return configureStore({
    reducer: { [api.reducerPath]: api.reducer, [submits.name]: submits.reducer },
    middleware: (defaults) =>
      defaults({ thunk: { extraArgument: server } }).concat(api.middleware),
  })
}

type State = ReturnType<ReturnType<typeof createStore>['getState']>

export function useSubmits(): Submit[] {
  return useSelector((state: State) => state.submits)
}
