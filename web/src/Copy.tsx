import { useState } from 'react'

interface Props {
  text: string
  label: string
  /** What is copied, for whoever hears the buttons only; the label where it is left out. */
  of?: string
  /** The element that shows the text. */
  target: (button: HTMLElement) => Element | null | undefined
}

/**
 * Copies a text. Browsers give the clipboard to https and localhost only; elsewhere the text is
 * selected, ready for the keyboard.
 */
export function Copy({ text, label, of, target }: Props) {
  const [outcome, setOutcome] = useState<'idle' | 'copied' | 'selected'>('idle')
  const shown = { idle: label, copied: 'Copied', selected: 'Press Ctrl or ⌘ with C' }[outcome]

  async function copy(button: HTMLElement) {
    try {
      await navigator.clipboard.writeText(text)
      setOutcome('copied')
    } catch {
      const element = target(button)
      if (element) getSelection()?.selectAllChildren(element)
      setOutcome('selected')
    }
  }

  return (
    <button
      className="quiet"
      type="button"
      aria-label={of && `${shown}: ${of}`}
      onClick={(event) => copy(event.currentTarget)}
      onBlur={() => setOutcome('idle')}
    >
      {shown}
    </button>
  )
}
