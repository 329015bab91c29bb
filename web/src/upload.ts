/** A POST that tells how far it is: `fetch` does not. */

import type { RawAnswer } from './answer'

export interface Watch {
  /** Ends the upload. */
  signal: AbortSignal
  /** From 0 to 1. */
  onProgress: (share: number) => void
}

/** Ended before the browser told that all was sent; its last bytes may have been on their way. */
export const CALLED_OFF = 'called off'

// Neither a byte taken nor an answer for this long: nobody is there.
const SILENCE_MS = 60_000

/** Null when no complete answer came, and it is not certain that the server did not take it. */
export function upload(
  url: string,
  body: Blob,
  { signal, onProgress }: Watch,
  headers: Record<string, string> = {},
): Promise<RawAnswer | null | typeof CALLED_OFF> {
  if (signal.aborted) return Promise.resolve(CALLED_OFF)
  return new Promise((resolve) => {
    const request = new XMLHttpRequest()
    let isSent = false
    let silence = setTimeout(hangUp, SILENCE_MS)
    function hangUp() {
      request.abort()
    }
    request.upload.addEventListener('progress', ({ loaded, total }) => {
      clearTimeout(silence)
      silence = setTimeout(hangUp, SILENCE_MS)
      onProgress(total > 0 ? loaded / total : 0)
    })
    request.upload.addEventListener('load', () => {
      isSent = true
      onProgress(1)
    })
    request.addEventListener('loadend', () => {
      clearTimeout(silence)
      signal.removeEventListener('abort', hangUp)
      if (signal.aborted && !isSent) resolve(CALLED_OFF)
      else resolve(request.status === 0 ? null : raw(request))
    })
    signal.addEventListener('abort', hangUp)
    request.open('POST', url)
    request.setRequestHeader('content-type', 'application/json')
    request.setRequestHeader('accept', 'application/json')
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value)
    request.send(body)
  })
}

function raw(request: XMLHttpRequest): RawAnswer {
  return {
    status: request.status,
    retryAfter: request.getResponseHeader('retry-after'),
    text: request.responseText,
  }
}
