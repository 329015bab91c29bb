import { Clock } from './Clock'
import { Raw } from './Raw'
import type { Attempt, EmailRecord } from './record'
import { duration, providerName, tellAttempt, toneOf } from './words'

/** Every try to send an email, folded away until somebody asks. */
export function Attempts({ record }: { record: EmailRecord }) {
  const { attempts, status, tries } = record
  return (
    <details className="attempts">
      <summary>{attempts.length === 1 ? '1 try' : `${attempts.length} tries`}</summary>
      <ol>
        {attempts.map((attempt) => (
          <Try
            key={attempt.number}
            attempt={attempt}
            underWay={status === 'sending' && attempt.number === tries}
          />
        ))}
      </ol>
    </details>
  )
}

function Try({ attempt, underWay }: { attempt: Attempt; underWay: boolean }) {
  const { number, provider, startedAt, durationMs, code, message, possibleDuplicate } = attempt
  return (
    <li className={`try ${toneOf(attempt, { underWay })}`}>
      <p className="try-head">
        <span>
          {number}. {provider ? providerName(provider) : 'Operator'}
        </span>
        {durationMs !== null && <span className="took">{duration(durationMs)}</span>}
        {startedAt !== null && <Clock at={startedAt} />}
      </p>
      <p>{tellAttempt(attempt, { underWay })}</p>
      {possibleDuplicate && <p className="twice">Possibly sent twice</p>}
      <Raw code={code} message={message} />
    </li>
  )
}
