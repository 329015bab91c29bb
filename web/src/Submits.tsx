import { useSubmits } from './store'
import type { Submit } from './submits'
import { SubmitState } from './SubmitState'

/** The submits of this page, newest first; a screen reader hears each line and each change. */
export function Submits() {
  const submits = useSubmits()
  return (
    <section className="submits" aria-labelledby="submits-title">
      <h2 id="submits-title">Submitted</h2>
      {submits.length === 0 && (
        <p className="empty">
          Nothing yet. Each email you send gets a line here, with the id it was queued under.
        </p>
      )}
      <ol aria-labelledby="submits-title" aria-live="polite" aria-relevant="additions text">
        {submits.map((submit) => (
          <Line key={submit.id} submit={submit} />
        ))}
      </ol>
      {submits.length > 0 && <p className="footnote">Kept until this page is reloaded.</p>}
    </section>
  )
}

function Line({ submit: { draft, at, state } }: { submit: Submit }) {
  const time = new Date(at)
  return (
    <li className="line">
      <div className="line-head">
        <span className="recipient">{draft.toEmail || 'No recipient'}</span>
        <time dateTime={time.toISOString()}>{clock.format(time)}</time>
      </div>
      {draft.subject && <p className="subject">{draft.subject}</p>}
      <SubmitState state={state} />
    </li>
  )
}

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' })
