import { Clock } from './Clock'
import { recipientsOf } from './email'
import { useSubmits } from './store'
import type { Submit } from './submits'
import { SubmitState } from './SubmitState'

/** The submits of this page, newest first, each followed to its end. */
export function Submits() {
  const submits = useSubmits()
  return (
    <section className="submits" aria-labelledby="submits-title">
      <h2 id="submits-title">Submitted</h2>
      {submits.length === 0 && (
        <p className="empty">
          Nothing yet. Each email you send gets a line here that tells what becomes of it.
        </p>
      )}
      <ol aria-labelledby="submits-title">
        {submits.map((submit) => (
          <Line key={submit.id} submit={submit} />
        ))}
      </ol>
      {submits.length > 0 && (
        <p className="footnote">
          Kept until this page is reloaded. “Sent” means that a provider accepted the email; whether
          it reached the inbox is not known here.
        </p>
      )}
    </section>
  )
}

function Line({ submit }: { submit: Submit }) {
  const { draft, at } = submit
  return (
    <li className="line">
      <div className="line-head">
        <span className="recipient">{recipientsOf(draft)}</span>
        <Clock at={at} />
      </div>
      {draft.subject && <p className="subject">{draft.subject}</p>}
      <SubmitState submit={submit} />
    </li>
  )
}
