import { useEffect, useRef, type FormEvent } from 'react'
import { declineKey, forgetKey, giveKey } from './access'
import { useAccess, useStoreDispatch } from './store'

/** Asks for the API key while a request waits for one. */
export function KeyPanel() {
  const { asking } = useAccess()
  // A key that was refused is not typed on, but anew.
  return asking && <Question key={asking} refused={asking === 'refused'} />
}

function Question({ refused }: { refused: boolean }) {
  const dispatch = useStoreDispatch()
  const input = useRef<HTMLInputElement>(null)
  useEffect(() => input.current?.focus(), [])
  function give(event: FormEvent) {
    event.preventDefault()
    if (input.current) dispatch(giveKey(input.current.value))
  }
  return (
    <section className="card key-panel" aria-labelledby="key-title">
      <h2 id="key-title">API key</h2>
      <form onSubmit={give} aria-labelledby="key-title">
        <p id="key-why" role="alert">
          {refused
            ? 'The API does not take this key. Check it, or use another.'
            : 'The API wants a key. It is kept until this tab is closed; your request goes on with it.'}
        </p>
        <label htmlFor="key">Key</label>
        <input
          ref={input}
          id="key"
          type="password"
          autoComplete="off"
          spellCheck={false}
          aria-describedby="key-why"
          aria-invalid={refused}
          placeholder="gm_…"
        />
        <div className="actions">
          <button className="primary" type="submit">
            Use key
          </button>
          <button className="quiet" type="button" onClick={() => dispatch(declineKey())}>
            Not now
          </button>
        </div>
      </form>
    </section>
  )
}

export function ForgetKey() {
  const { held } = useAccess()
  const dispatch = useStoreDispatch()
  return (
    held && (
      <button className="quiet" type="button" onClick={() => dispatch(forgetKey())}>
        Forget API key
      </button>
    )
  )
}
