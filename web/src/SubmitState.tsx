import type { Refusal } from './answer'
import { fieldNames } from './email'
import { CopyId } from './CopyId'
import type { SubmitState as State } from './submits'

/** What became of one submit. "Queued" is all that a 200 says; never "sent". */
export function SubmitState({ state }: { state: State }) {
  switch (state.kind) {
    case 'queueing':
      return <p className="state queueing">Queueing…</p>
    case 'queued':
      return (
        <div className="state queued">
          <p>
            Queued as <code>{state.messageId}</code>
          </p>
          <CopyId messageId={state.messageId} />
        </div>
      )
    case 'refused':
      return <Refused refusal={state.refusal} />
    default:
      return state satisfies never
  }
}

function Refused({ refusal }: { refusal: Refusal }) {
  return (
    <div className={refusal.certain ? 'state refused' : 'state refused unconfirmed'}>
      <p>{refusal.certain ? 'Not queued' : 'Not confirmed'}</p>
      <ul>
        {reasons(refusal).map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
    </div>
  )
}

function reasons({ above, fields }: Refusal): string[] {
  return [...above, ...fieldNames.flatMap((name) => fields[name] ?? [])]
}
