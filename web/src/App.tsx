import { ComposeForm } from './ComposeForm'
import type { Config } from './config'
import { ForgetKey, KeyPanel } from './KeyPanel'
import { Submits } from './Submits'

export function App({ config }: { config: Config }) {
  const { sandboxMailbox } = config
  return (
    <div className="page">
      <header className="masthead">
        <div className="brand">
          <Envelope />
          <div>
            <h1>gomail</h1>
            <p>Transactional email through a durable queue and whichever provider is healthy.</p>
          </div>
        </div>
        <ForgetKey />
        {sandboxMailbox && (
          <nav aria-label="Sandbox">
            <a href={sandboxMailbox} target="_blank" rel="noreferrer" title="Opens in a new tab">
              Sandbox mailbox and fault switches
            </a>
          </nav>
        )}
      </header>
      <KeyPanel />
      <main>
        <ComposeForm config={config} />
        <Submits />
      </main>
    </div>
  )
}

function Envelope() {
  return (
    <svg className="mark" viewBox="0 0 32 32" width="40" height="40" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path d="M7 11.5h18v10.2a1.8 1.8 0 0 1-1.8 1.8H8.8A1.8 1.8 0 0 1 7 21.7z" />
      <path d="m7.5 12 8.5 6.2 8.5-6.2" />
    </svg>
  )
}
