import { skipToken } from '@reduxjs/toolkit/query/react'
import type { ReactNode } from 'react'
import type { Refusal } from './answer'
import { useLifeQuery } from './api'
import { Attempts } from './Attempts'
import { Clock } from './Clock'
import { CopyId } from './CopyId'
import { fieldNames } from './email'
import { nothingKnown, type Life } from './follower'
import { Raw } from './Raw'
import type { EmailRecord } from './record'
import type { SubmitState as State } from './submits'
import { tell } from './words'

interface Props {
  recipient: string
  state: State
}

/** What became of one submit. "Queued" is all that a 200 says; the rest is the ledger's word. */
export function SubmitState({ recipient, state }: Props) {
  const { data: life = nothingKnown } = useLifeQuery(
    state.kind === 'queued' ? state.messageId : skipToken,
  )
  const { look, headline, because, rest } = shown(state, life)
  return (
    <div className={`state ${look}`}>
      {/* One element through all states, so that a screen reader hears each change, and that only. */}
      <p className="headline" aria-live="polite" aria-atomic="true">
        <span className="unseen">{recipient}: </span>
        <strong>
          {headline}
          {because && '.'}
        </strong>
        {because && <span className="because"> {because}</span>}
      </p>
      {rest}
    </div>
  )
}

interface Shown {
  look: string
  headline: ReactNode
  because: string | null
  rest: ReactNode
}

function shown(state: State, life: Life): Shown {
  switch (state.kind) {
    case 'queueing':
      return { look: 'waiting', headline: 'Queueing…', because: null, rest: null }
    case 'queued':
      return queued(state.messageId, life)
    case 'refused':
      return refused(state.refusal)
    default:
      return state satisfies never
  }
}

function queued(messageId: string, { record, note }: Life): Shown {
  const told = record && record.status !== 'queued' ? tell(record) : null
  const id = <code>{messageId}</code>
  return {
    look: told?.tone ?? 'queued',
    headline: told?.state ?? <>Queued as {id}</>,
    because: told?.because ?? null,
    rest: (
      <>
        {told?.note && <p className="note">{told.note}</p>}
        {note && <p className="note">{note}</p>}
        {record && <Tries record={record} />}
        <div className="about">
          {told && id}
          <CopyId messageId={messageId} />
          {told && record?.updatedAt && (
            <span className="changed">
              Last change <Clock at={record.updatedAt} />
            </span>
          )}
        </div>
      </>
    ),
  }
}

function Tries({ record }: { record: EmailRecord }) {
  return record.attempts.length > 0 ? (
    <Attempts record={record} />
  ) : (
    <Raw code={record.code} message={record.detail} />
  )
}

function refused(refusal: Refusal): Shown {
  return {
    look: refusal.certain ? 'bad' : 'doubt',
    headline: refusal.certain ? 'Not queued' : 'Not confirmed',
    because: null,
    rest: (
      <ul className="reasons">
        {reasons(refusal).map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
    ),
  }
}

function reasons({ above, fields }: Refusal): string[] {
  return [...above, ...fieldNames.flatMap((name) => fields[name] ?? [])]
}
