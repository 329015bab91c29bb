/** How far the upload of a submit is: told by api.ts, kept in submits.ts. */

import { createAction } from '@reduxjs/toolkit'

export const uploaded = createAction<{
  id: string
  /** From 0 to 1. */
  share: number
}>('submits/uploaded')
