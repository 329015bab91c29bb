import { nanoid } from '@reduxjs/toolkit'
import { useEffect, useRef, useState, type FormEvent, type RefObject } from 'react'
import { useSendEmailMutation } from './api'
import { attach, type Attachment } from './attachments'
import { AttachmentsField } from './AttachmentsField'
import { Bodies } from './Bodies'
import type { Config } from './config'
import { CurlPanel } from './CurlPanel'
import { completed, emptyDraft, type ListName, type TextName } from './email'
import { Field } from './Field'
import { Fold } from './Fold'
import type { Recipients } from './recipients'
import { RecipientsField } from './RecipientsField'
import { zoneAt } from './schedule'
import { useSubmits } from './store'
import { standingErrors, type Submit } from './submits'
import { useFileDrop } from './useFileDrop'

/**
 * The form. It is kept as typed whatever the answer, and never locked: the next submit may go
 * while others are under way. What is right is the server's word, hence `noValidate`.
 */
export function ComposeForm({ config }: { config: Config }) {
  const [draft, setDraft] = useState(emptyDraft)
  const [curl, setCurl] = useState(false)
  const [sendEmail] = useSendEmailMutation()
  const submits = useSubmits()
  const errors = standingErrors(submits, draft)
  const form = useRef<HTMLFormElement>(null)
  const { dropping, ...drop } = useFileDrop((files) =>
    editAttachments((current) => [...current, ...attach(files)]),
  )
  usePointingAtErrors(form, submits[0])

  function submit(event: FormEvent) {
    event.preventDefault()
    const whole = completed(draft)
    setDraft(whole)
    void sendEmail({ id: nanoid(), draft: whole })
  }

  function edit(name: TextName | ListName, value: string | Recipients) {
    setDraft((current) => ({ ...current, [name]: value }))
  }

  function editAttachments(change: (current: readonly Attachment[]) => readonly Attachment[]) {
    setDraft((current) => ({ ...current, attachments: change(current.attachments) }))
  }

  const field = (name: TextName) => ({
    name,
    value: draft[name],
    error: errors.fields[name],
    onEdit: edit,
  })
  const recipients = (name: ListName) => ({
    name,
    list: draft[name],
    error: errors.fields[name],
    itemErrors: errors.items,
    onEdit: edit,
  })
  const isWrong = (name: ListName) =>
    errors.fields[name] !== undefined || draft[name].done.some((one) => errors.items.has(one))

  return (
    <section className="card" aria-labelledby="compose-title">
      <h2 id="compose-title">New email</h2>
      <form
        ref={form}
        noValidate
        onSubmit={submit}
        aria-labelledby="compose-title"
        data-dropping={dropping}
        {...drop}
      >
        {errors.above.length > 0 && (
          <div className="alert" role="alert">
            {errors.above.map((sentence) => (
              <p key={sentence}>{sentence}</p>
            ))}
          </div>
        )}
        <div className="pair">
          <Field {...field('fromName')} label="From name" hint="Optional">
            {(control) => <input {...control} type="text" autoComplete="name" />}
          </Field>
          <Field {...field('fromEmail')} label="From email">
            {(control) => <input {...control} {...emailInput} autoComplete="email" />}
          </Field>
        </div>
        <RecipientsField {...recipients('to')} label="To email" required />
        <Fold
          title="Cc, bcc, reply to"
          needed={others.some(isWrong)}
          filled={others.some((name) => draft[name].done.length > 0)}
        >
          <RecipientsField {...recipients('cc')} label="Cc" />
          <RecipientsField {...recipients('bcc')} label="Bcc" />
          <RecipientsField {...recipients('replyTo')} label="Reply to" />
        </Fold>
        <Field {...field('subject')} label="Subject" hint="Optional">
          {(control) => <input {...control} type="text" autoComplete="off" />}
        </Field>
        <Bodies
          values={draft}
          errors={errors.fields}
          attachments={draft.attachments}
          onEdit={edit}
        />
        <AttachmentsField
          attachments={draft.attachments}
          most={config.maxAttachmentBytes}
          error={errors.fields.attachments}
          itemErrors={errors.items}
          onEdit={editAttachments}
        />
        <Fold
          title="Schedule"
          needed={Boolean(errors.fields.sendAt ?? errors.fields.expiresAt)}
          filled={draft.sendAt !== '' || draft.expiresAt !== ''}
        >
          <div className="pair">
            <Field {...field('sendAt')} label="Send at" hint={zoneAt(draft.sendAt)}>
              {(control) => <input {...control} type="datetime-local" />}
            </Field>
            <Field {...field('expiresAt')} label="Expires at" hint={zoneAt(draft.expiresAt)}>
              {(control) => <input {...control} type="datetime-local" />}
            </Field>
          </div>
        </Fold>
        <div className="actions">
          <button className="primary" type="submit">
            Send email
          </button>
          <button
            className="quiet"
            type="button"
            aria-expanded={curl}
            onClick={() => setCurl(!curl)}
          >
            As cURL
          </button>
          <p className="shortcut">
            From the body: <kbd>Ctrl</kbd> or <kbd>⌘</kbd> + <kbd>Enter</kbd>
          </p>
        </div>
        {curl && <CurlPanel apiBase={config.apiBase} draft={draft} />}
      </form>
    </section>
  )
}

const others = ['cc', 'bcc', 'replyTo'] as const

const emailInput = {
  type: 'email',
  inputMode: 'email',
  autoCapitalize: 'none',
  spellCheck: false,
  'aria-required': true,
} as const

/** Once the newest submit is refused: focus its first wrong field, or bring the alert in view. */
function usePointingAtErrors(form: RefObject<HTMLFormElement | null>, newest?: Submit) {
  const state = newest?.state
  useEffect(() => {
    if (state?.kind !== 'refused') return
    const wrong = form.current?.querySelector<HTMLElement>('[aria-invalid="true"], [data-wrong]')
    if (wrong) wrong.focus()
    else form.current?.querySelector('[role="alert"]')?.scrollIntoView({ block: 'nearest' })
  }, [form, state])
}
