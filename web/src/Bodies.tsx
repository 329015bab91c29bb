import { useState, type KeyboardEvent } from 'react'
import type { Attachment } from './attachments'
import type { TextName } from './email'
import { HtmlPreview } from './HtmlPreview'

const tabs = [
  { name: 'body', title: 'Text', label: 'Body' },
  { name: 'html', title: 'HTML', label: 'HTML body' },
] as const
type Tab = (typeof tabs)[number]
type BodyName = Tab['name']

interface Props {
  values: Record<BodyName, string>
  errors: Partial<Record<BodyName, string>>
  attachments: readonly Attachment[]
  onEdit: (name: TextName, value: string) => void
}

/** The two bodies of an email in two tabs, and what the HTML looks like. */
export function Bodies({ values, errors, attachments, onEdit }: Props) {
  const [shown, setShown] = useState<BodyName>('body')
  const wrong = errors.body ? 'body' : errors.html ? 'html' : null
  const [lastWrong, setLastWrong] = useState(wrong)
  if (wrong !== lastWrong) {
    // An error that is new brings its tab to the front.
    setLastWrong(wrong)
    if (wrong) setShown(wrong)
  }

  function keyDown(event: KeyboardEvent) {
    const other = shown === 'body' ? 'html' : 'body'
    const targets = { ArrowLeft: other, ArrowRight: other, Home: 'body', End: 'html' } as const
    if (!Object.hasOwn(targets, event.key)) return
    event.preventDefault()
    const next = targets[event.key as keyof typeof targets]
    setShown(next)
    document.getElementById(`${next}-tab`)?.focus()
  }

  return (
    <div className="bodies">
      <div className="field-head">
        <span className="label" aria-hidden="true">
          Body
        </span>
        <div className="tabs" role="tablist" aria-label="Kind of body">
          {tabs.map(({ name, title }) => (
            <button
              key={name}
              id={`${name}-tab`}
              className="tab"
              type="button"
              role="tab"
              aria-selected={shown === name}
              aria-controls={`${name}-panel`}
              tabIndex={shown === name ? 0 : -1}
              onClick={() => setShown(name)}
              onKeyDown={keyDown}
            >
              {title}
              {values[name] !== '' && shown !== name && <span className="filled"> filled in</span>}
            </button>
          ))}
        </div>
      </div>
      {tabs.map(({ name, label }) => (
        <div
          key={name}
          id={`${name}-panel`}
          role="tabpanel"
          aria-labelledby={`${name}-tab`}
          hidden={shown !== name}
        >
          <Text
            name={name}
            label={label}
            value={values[name]}
            error={errors[name]}
            onEdit={onEdit}
          />
          {name === 'html' && values.html !== '' && shown === 'html' && (
            <HtmlPreview html={values.html} attachments={attachments} />
          )}
        </div>
      ))}
    </div>
  )
}

interface TextProps {
  name: BodyName
  label: string
  value: string
  error: string | undefined
  onEdit: Props['onEdit']
}

function Text({ name, label, value, error, onEdit }: TextProps) {
  return (
    <div className="field" data-field={name}>
      <textarea
        id={name}
        name={name}
        className={name === 'html' ? 'source' : undefined}
        rows={9}
        aria-label={label}
        aria-required={name === 'body'}
        aria-invalid={error !== undefined}
        aria-describedby={error && `${name}-error`}
        spellCheck={name === 'body'}
        value={value}
        onChange={(event) => onEdit(name, event.target.value)}
        onKeyDown={submitOnModifiedEnter}
      />
      {error && (
        <p className="field-error" id={`${name}-error`}>
          {error}
        </p>
      )}
    </div>
  )
}

function submitOnModifiedEnter(event: KeyboardEvent<HTMLTextAreaElement>) {
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return
  event.preventDefault()
  event.currentTarget.form?.requestSubmit()
}
