/** For tests: the page over a server that gives each request the answer of the test, in any order. */

import { act, render, waitFor } from '@testing-library/react'
import { userEvent } from '@testing-library/user-event'
import { Provider } from 'react-redux'
import { ApiKey } from './apiKey'
import { App } from './App'
import type { Config } from './config'
import { createStore } from './store'

interface Request {
  url: string
  body: unknown
  headers: Headers
  resolve: (response: Response) => void
  reject: (error: Error) => void
}

/** One request for events that was let in. */
export class ScriptedStream {
  readonly body: ReadableStream<Uint8Array>
  closed = false
  #controller!: ReadableStreamDefaultController<Uint8Array>

  readonly url: URL

  constructor(url: URL, signal: AbortSignal | null | undefined) {
    this.url = url
    this.body = new ReadableStream({ start: (controller) => void (this.#controller = controller) })
    signal?.addEventListener('abort', () => this.break())
  }

  get ids(): string[] {
    return this.url.searchParams.getAll('id')
  }

  /** Text as it goes over the wire. */
  async push(text: string): Promise<void> {
    await act(async () => {
      this.#controller.enqueue(new TextEncoder().encode(text))
      await settled()
    })
  }

  status(sequence: number, data: Record<string, unknown>): Promise<void> {
    return this.push(`event: status\nid: ${sequence}\ndata: ${JSON.stringify(data)}\n\n`)
  }

  break(): void {
    if (this.closed) return
    this.closed = true
    this.#controller.error(new TypeError('network error'))
  }
}

class ScriptedServer {
  readonly requests: Request[] = []
  readonly streams: ScriptedStream[] = []
  /** What `GET /email/{id}` answers; an id that is not here is 404. */
  readonly emails: Record<string, unknown> = {}
  readonly read: string[] = []
  /** The `Authorization` of everything that was read. */
  readonly keys = new Set<string | null>()
  /** What `GET /events` answers instead of a stream. */
  refusal: (() => Response) | null = null

  fetch = (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const url = new URL(String(input))
    if (init?.method === 'POST') return this.#post(url, init)
    this.keys.add(new Headers(init?.headers).get('authorization'))
    return Promise.resolve(url.pathname === '/events' ? this.#open(url, init) : this.#email(url))
  }

  #post(url: URL, init: RequestInit): Promise<Response> {
    return new Promise<Response>((resolve, reject) => {
      const body: unknown = init.body ? JSON.parse(String(init.body)) : null
      this.requests.push({ url: url.href, body, headers: new Headers(init.headers), resolve, reject })
    })
  }

  #open(url: URL, init?: RequestInit): Response {
    if (this.refusal) return this.refusal()
    const stream = new ScriptedStream(url, init?.signal)
    this.streams.push(stream)
    return new Response(stream.body, { headers: { 'content-type': 'text/event-stream' } })
  }

  #email(url: URL): Response {
    const id = url.pathname.replace('/email/', '')
    this.read.push(id)
    const email = this.emails[id]
    return email
      ? Response.json(email)
      : Response.json({ errors: { base: 'There is no email with this id' } }, { status: 404 })
  }

  /** The nth submit of the page, once it is there. */
  request(nth: number): Promise<Request> {
    return waitFor(() => {
      const found = this.requests[nth - 1]
      if (!found) throw new Error(`request ${nth} has not come`)
      return found
    })
  }

  /** The nth stream that the page opened, once it is there. */
  stream(nth: number): Promise<ScriptedStream> {
    return waitFor(() => {
      const found = this.streams[nth - 1]
      if (!found) throw new Error(`stream ${nth} has not come`)
      return found
    })
  }

  async answer(nth: number, status: number, body: unknown, headers: Record<string, string> = {}) {
    const { resolve } = await this.request(nth)
    resolve(new Response(JSON.stringify(body), { status, headers }))
  }

  async breakConnection(nth: number) {
    const { reject } = await this.request(nth)
    reject(new TypeError('Failed to fetch'))
  }
}

/** Once whatever is ready to run has run. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 0)
  })
}

// jsdom has no layout, so nothing to scroll.
Element.prototype.scrollIntoView = () => {}

const apiBase = 'https://api.example.com'

export function openPage(changes: Partial<Config> = {}) {
  const config = { apiBase, maxAttachmentBytes: 1000, sandboxMailbox: null, ...changes }
  const server = new ScriptedServer()
  const key = new ApiKey(apiBase, window.sessionStorage)
  render(
    <Provider store={createStore({ apiBase, fetch: server.fetch, key })}>
      <App config={config} />
    </Provider>,
  )
  return { server, key, user: userEvent.setup() }
}
