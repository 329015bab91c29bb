import { skipToken } from '@reduxjs/toolkit/query/react'
import type { ReactNode } from 'react'
import type { Refusal } from './answer'
import { callOff, useLifeQuery } from './api'
import { Attempts } from './Attempts'
import { CancelEmail } from './CancelEmail'
import { Clock } from './Clock'
import { Copy } from './Copy'
import { recipientsOf, type Draft } from './email'
import { nothingKnown, type Life } from './follower'
import { sentences } from './places'
import { Raw } from './Raw'
import type { EmailRecord } from './record'
import { useStoreDispatch } from './store'
import type { Submit } from './submits'
import { tell } from './words'

/** What became of one submit. "Queued" is all that a 200 says; the rest is the ledger's word. */
export function SubmitState({ submit }: { submit: Submit }) {
  const { draft, state } = submit
  const { data: life = nothingKnown } = useLifeQuery(
    state.kind === 'queued' ? state.messageId : skipToken,
  )
  const { look, headline, because, rest } = shown(submit, life)
  return (
    <div className={`state ${look}`}>
      {/* One element through all states, so that a screen reader hears each change, and that only. */}
      <p className="headline" aria-live="polite" aria-atomic="true">
        <span className="unseen">{recipientsOf(draft)}: </span>
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

function shown({ id, draft, state }: Submit, life: Life): Shown {
  switch (state.kind) {
    case 'queueing':
      return state.share === null || state.share === 1
        ? { look: 'waiting', headline: 'Queueing…', because: null, rest: null }
        : {
            look: 'waiting',
            headline: 'Uploading…',
            because: null,
            rest: <Upload id={id} share={state.share} />,
          }
    case 'queued':
      return queued(state.messageId, life)
    case 'refused':
      return refused(state.refusal, draft)
    case 'called off':
      return {
        look: 'plain',
        headline: 'Upload canceled',
        because: 'It is not queued, unless the server had all of it by then.',
        rest: null,
      }
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
          <Copy
            text={messageId}
            label="Copy id"
            of={messageId}
            target={(button) =>
              button.closest('.state')?.querySelector(':is(.headline, .about) code')
            }
          />
          {record && canBeCanceled(record) && <CancelEmail messageId={messageId} />}
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

/** The server says no where it is too late after all. */
function canBeCanceled({ status, sendAt }: EmailRecord): boolean {
  return status === 'scheduled' || (sendAt !== null && ['queued', 'retrying'].includes(status))
}

function Upload({ id, share }: { id: string; share: number }) {
  const dispatch = useStoreDispatch()
  const percent = Math.floor(share * 100)
  return (
    <div className="upload">
      <progress aria-label="Upload" max={100} value={percent} />
      <span className="hint">{percent} %</span>
      <button className="quiet" type="button" onClick={() => dispatch(callOff(id))}>
        Cancel upload
      </button>
    </div>
  )
}

function Tries({ record }: { record: EmailRecord }) {
  return record.attempts.length > 0 ? (
    <Attempts record={record} />
  ) : (
    <Raw code={record.code} message={record.detail} />
  )
}

function refused(refusal: Refusal, draft: Draft): Shown {
  return {
    look: refusal.certain ? 'bad' : 'doubt',
    headline: refusal.certain ? 'Not queued' : 'Not confirmed',
    because: null,
    rest: (
      <ul className="reasons">
        {sentences(refusal, draft).map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
    ),
  }
}
