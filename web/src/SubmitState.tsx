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
      return (
        <div className="state refused">
          <p>{state.refusal.certain ? 'Not queued' : 'Not confirmed'}</p>
          <ul>
            {reasons(state.refusal).map((sentence) => (
              <li key={sentence}>{sentence}</li>
            ))}
          </ul>
        </div>
      )
    default:
      return state satisfies never
  }
}

function reasons({ above, fields }: Refusal): string[] {
  return [...above, ...fieldNames.flatMap((name) => fields[name] ?? [])]
}
