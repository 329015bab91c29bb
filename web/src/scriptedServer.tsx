/** For tests: the page over a server that gives each request the answer of the test, in any order. */

import { render, waitFor } from '@testing-library/react'
import { userEvent } from '@testing-library/user-event'
import { Provider } from 'react-redux'
import { App } from './App'
import { createStore } from './store'

interface Request {
  url: string
  body: unknown
  resolve: (response: Response) => void
  reject: (error: Error) => void
}

class ScriptedServer {
  readonly requests: Request[] = []

  fetch = (input: RequestInfo | URL, init?: RequestInit) =>
    new Promise<Response>((resolve, reject) => {
      const body: unknown = JSON.parse(String(init?.body))
      this.requests.push({ url: String(input), body, resolve, reject })
    })

  /** The nth request of the page, once it is there. */
  request(nth: number): Promise<Request> {
    return waitFor(() => {
      const found = this.requests[nth - 1]
      if (!found) throw new Error(`request ${nth} has not come`)
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

// jsdom has no layout, so nothing to scroll.
Element.prototype.scrollIntoView = () => {}

export function openPage({ sandboxMailbox = null }: { sandboxMailbox?: string | null } = {}) {
  const server = new ScriptedServer()
  render(
    <Provider store={createStore({ apiBase: 'https://api.example.com', fetch: server.fetch })}>
      <App sandboxMailbox={sandboxMailbox} />
    </Provider>,
  )
  return { server, user: userEvent.setup() }
}
