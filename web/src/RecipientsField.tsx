import { useRef, useState, type ClipboardEvent, type FocusEvent, type KeyboardEvent } from 'react'
import type { ListName } from './email'
import type { Item } from './places'
import {
  adding,
  finished,
  isList,
  looksWrong,
  parseRecipients,
  showRecipient,
  typing,
  without,
  type Recipient,
  type Recipients,
} from './recipients'

interface Props {
  label: string
  name: ListName
  list: Recipients
  error: string | undefined
  itemErrors: ReadonlyMap<Item, string>
  required?: boolean
  onEdit: (name: ListName, list: Recipients) => void
}

/**
 * Recipients as chips. Enter, a comma, leaving the field or pasting a list makes them; Backspace
 * takes the last away, and the left arrow goes to the others.
 */
export function RecipientsField(props: Props) {
  const { label, name, list, error, itemErrors, required = false, onEdit } = props
  const [news, setNews] = useState('')
  const box = useRef<HTMLDivElement>(null)
  const input = useRef<HTMLInputElement>(null)
  const { done, typed } = list
  const wrong = done.filter((one) => itemErrors.has(one))
  const suspect = done.filter((one) => !itemErrors.has(one) && looksWrong(one))
  const described = [
    error && `${name}-error`,
    wrong.length > 0 && `${name}-wrong`,
    suspect.length > 0 && `${name}-suspect`,
    done.length > 0 && `${name}-help`,
  ]

  function become(next: Recipients) {
    if (next === list) return
    const added = next.done.filter((one) => !done.includes(one))
    const removed = done.filter((one) => !next.done.includes(one))
    if (added.length > 0) setNews(`Added ${added.map(heard).join(', ')}`)
    if (removed.length > 0) setNews(`Removed ${removed.map(showRecipient).join(', ')}`)
    onEdit(name, next)
  }

  function keyDown(event: KeyboardEvent<HTMLInputElement>) {
    const { selectionStart, selectionEnd } = event.currentTarget
    const atStart = selectionStart === 0 && selectionEnd === 0
    // Enter within an input method chooses a word.
    if (event.key === 'Enter' && typed.trim() !== '' && !event.nativeEvent.isComposing) {
      event.preventDefault()
      become(finished(list))
    } else if (event.key === 'Backspace' && typed === '' && done.length > 0) {
      become(without(list, done.at(-1)!))
    } else if (event.key === 'ArrowLeft' && atStart && done.length > 0) {
      event.preventDefault()
      focusChip(done.length - 1)
    }
  }

  function chipKeyDown(event: KeyboardEvent, at: number) {
    const target = { ArrowLeft: Math.max(0, at - 1), ArrowRight: at + 1, Home: 0, End: done.length }
    if (event.key === 'Backspace' || event.key === 'Delete') {
      event.preventDefault()
      remove(at)
    } else if (Object.hasOwn(target, event.key)) {
      event.preventDefault()
      focusChip(target[event.key as keyof typeof target])
    }
  }

  function remove(at: number) {
    // Its place goes to the next chip; after the last one, to the text.
    const next = at + 1
    focusChip(next)
    become(without(list, done[at]!))
  }

  function focusChip(at: number) {
    const chip = box.current?.querySelectorAll<HTMLElement>('.chip button')[at]
    ;(chip ?? input.current)?.focus()
  }

  function paste(event: ClipboardEvent) {
    const text = event.clipboardData.getData('text')
    if (!isList(text)) return
    event.preventDefault()
    become(adding(list, parseRecipients(text)))
  }

  function blur({ relatedTarget }: FocusEvent) {
    // Under the press of a button nothing may move; sending finishes what is typed, too.
    const isButton = relatedTarget instanceof HTMLButtonElement
    if (!isButton && !box.current?.contains(relatedTarget)) become(finished(list))
  }

  return (
    <div className="field" data-field={name}>
      <div className="field-head">
        <label htmlFor={name}>{label}</label>
      </div>
      <div
        ref={box}
        className="chips"
        data-invalid={Boolean(error) || wrong.length > 0}
        onBlur={blur}
      >
        <ul aria-label={`${label}: recipients`}>
          {done.map((one, at) => (
            <Chip
              key={one.email.toLowerCase()}
              one={one}
              mark={itemErrors.has(one) ? 'wrong' : looksWrong(one) ? 'suspect' : undefined}
              describedBy={itemErrors.has(one) ? `${name}-wrong-${at}` : undefined}
              onKeyDown={(event) => chipKeyDown(event, at)}
              onRemove={() => remove(at)}
            />
          ))}
        </ul>
        <input
          ref={input}
          id={name}
          name={name}
          type="text"
          inputMode="email"
          autoCapitalize="none"
          autoComplete="off"
          spellCheck={false}
          aria-required={required}
          aria-invalid={Boolean(error) || wrong.length > 0}
          aria-describedby={described.filter(Boolean).join(' ') || undefined}
          placeholder={done.length === 0 ? 'Name <name@example.com>, …' : undefined}
          value={typed}
          onChange={(event) => become(typing(list, event.target.value))}
          onKeyDown={keyDown}
          onPaste={paste}
        />
      </div>
      <p className="unseen" id={`${name}-help`}>
        Backspace removes the last one, left arrow goes to the others.
      </p>
      {error && (
        <p className="field-error" id={`${name}-error`}>
          {error}
        </p>
      )}
      {wrong.length > 0 && (
        <ul className="item-errors" id={`${name}-wrong`}>
          {wrong.map((one) => (
            <li key={one.email} className="field-error" id={`${name}-wrong-${done.indexOf(one)}`}>
              {done.length > 1 && <span className="about-item">{showRecipient(one)}: </span>}
              {itemErrors.get(one)}
            </li>
          ))}
        </ul>
      )}
      {suspect.length > 0 && (
        <p className="field-doubt" id={`${name}-suspect`}>
          {suspect.length === 1 ? 'Not an address? ' : 'No addresses? '}
          {suspect.map(showRecipient).join(', ')}
        </p>
      )}
      <output className="unseen">{news}</output>
    </div>
  )
}

function heard(one: Recipient): string {
  return looksWrong(one) ? `${showRecipient(one)}, which does not look like an address` : showRecipient(one)
}

interface ChipProps {
  one: Recipient
  mark: 'wrong' | 'suspect' | undefined
  describedBy: string | undefined
  onKeyDown: (event: KeyboardEvent) => void
  onRemove: () => void
}

function Chip({ one, mark, describedBy, onKeyDown, onRemove }: ChipProps) {
  return (
    <li className="chip" data-mark={mark} title={showRecipient(one)}>
      <span className="chip-text">
        {one.name && <span className="chip-name">{one.name} </span>}
        <span className="chip-email">{one.email}</span>
      </span>
      <button
        type="button"
        // Reached by arrows, so that fifty recipients are one stop of the Tab key.
        tabIndex={-1}
        aria-label={`Remove ${showRecipient(one)}`}
        aria-describedby={describedBy}
        onKeyDown={onKeyDown}
        onClick={onRemove}
      >
        <span aria-hidden="true">×</span>
      </button>
    </li>
  )
}
