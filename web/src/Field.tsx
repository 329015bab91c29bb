import type { ChangeEvent, ReactNode } from 'react'
import type { TextName } from './email'

/** What the input or textarea inside a field needs to be named, described and filled. */
export interface Control {
  id: string
  name: TextName
  value: string
  onChange: (event: ChangeEvent<HTMLInputElement | HTMLTextAreaElement>) => void
  'aria-invalid': boolean
  'aria-describedby': string | undefined
}

interface Props {
  label: string
  name: TextName
  value: string
  error: string | undefined
  hint?: string
  onEdit: (name: TextName, value: string) => void
  children: (control: Control) => ReactNode
}

/** A label, its control, a hint and the server's error, tied together for assistive technology. */
export function Field({ label, name, value, error, hint, onEdit, children }: Props) {
  const errorId = error && `${name}-error`
  const hintId = hint && `${name}-hint`
  return (
    <div className="field" data-field={name}>
      <div className="field-head">
        <label htmlFor={name}>{label}</label>
        {hint && (
          <span className="hint" id={hintId}>
            {hint}
          </span>
        )}
      </div>
      {children({
        id: name,
        name,
        value,
        onChange: (event) => onEdit(name, event.target.value),
        'aria-invalid': error !== undefined,
        'aria-describedby': [errorId, hintId].filter(Boolean).join(' ') || undefined,
      })}
      {error && (
        <p className="field-error" id={errorId}>
          {error}
        </p>
      )}
    </div>
  )
}
