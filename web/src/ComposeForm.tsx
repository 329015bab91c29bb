import {
  useEffect,
  useRef,
  useState,
  type FormEvent,
  type KeyboardEvent,
  type RefObject,
} from 'react'
import { useSendEmailMutation } from './api'
import { emptyDraft, type FieldName } from './email'
import { Field } from './Field'
import { useSubmits } from './store'
import { standingErrors, type Submit } from './submits'

/**
 * The form. It is kept as typed whatever the answer, and never locked: the next submit may go
 * while others are under way. What is right is the server's word, hence `noValidate`.
 */
export function ComposeForm() {
  const [draft, setDraft] = useState(emptyDraft)
  const [sendEmail] = useSendEmailMutation()
  const submits = useSubmits()
  const errors = standingErrors(submits, draft)
  const form = useRef<HTMLFormElement>(null)
  usePointingAtErrors(form, submits[0])

  function submit(event: FormEvent) {
    event.preventDefault()
    void sendEmail(draft)
  }

  const field = (name: FieldName) => ({
    name,
    value: draft[name],
    error: errors.fields[name],
    onEdit: (edited: FieldName, value: string) =>
      setDraft((current) => ({ ...current, [edited]: value })),
  })

  return (
    <section className="card" aria-labelledby="compose-title">
      <h2 id="compose-title">New email</h2>
      <form ref={form} noValidate onSubmit={submit} aria-labelledby="compose-title">
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
        <div className="pair">
          <Field {...field('toName')} label="To name" hint="Optional">
            {(control) => <input {...control} type="text" autoComplete="off" />}
          </Field>
          <Field {...field('toEmail')} label="To email">
            {(control) => <input {...control} {...emailInput} autoComplete="off" />}
          </Field>
        </div>
        <Field {...field('subject')} label="Subject" hint="Optional">
          {(control) => <input {...control} type="text" autoComplete="off" />}
        </Field>
        <Field {...field('body')} label="Body">
          {(control) => (
            <textarea {...control} rows={9} aria-required onKeyDown={submitOnModifiedEnter} />
          )}
        </Field>
        <div className="actions">
          <button className="primary" type="submit">
            Send email
          </button>
          <p className="shortcut">
            From the body: <kbd>Ctrl</kbd> or <kbd>⌘</kbd> + <kbd>Enter</kbd>
          </p>
        </div>
      </form>
    </section>
  )
}

const emailInput = {
  type: 'email',
  inputMode: 'email',
  autoCapitalize: 'none',
  spellCheck: false,
  'aria-required': true,
} as const

function submitOnModifiedEnter(event: KeyboardEvent<HTMLTextAreaElement>) {
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return
  event.preventDefault()
  event.currentTarget.form?.requestSubmit()
}

/** Once the newest submit is refused: focus its first wrong field, or bring the alert in view. */
function usePointingAtErrors(form: RefObject<HTMLFormElement | null>, newest?: Submit) {
  const state = newest?.state
  useEffect(() => {
    if (state?.kind !== 'refused') return
    const wrong = form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')
    if (wrong) wrong.focus()
    else form.current?.querySelector('[role="alert"]')?.scrollIntoView({ block: 'nearest' })
  }, [form, state])
}
