import { useRef, useState } from 'react'

const labels = { idle: 'Copy id', copied: 'Copied', selected: 'Press Ctrl or ⌘ with C' }

/**
 * Copies a message id. Browsers give the clipboard to https and localhost only; elsewhere the id
 * is selected, ready for the keyboard.
 */
export function CopyId({ messageId }: { messageId: string }) {
  const [outcome, setOutcome] = useState<keyof typeof labels>('idle')
  const button = useRef<HTMLButtonElement>(null)

  async function copy() {
    try {
      await navigator.clipboard.writeText(messageId)
      setOutcome('copied')
    } catch {
      const id = button.current?.closest('.state')?.querySelector(':is(.headline, .about) code')
      if (id) getSelection()?.selectAllChildren(id)
      setOutcome('selected')
    }
  }

  return (
    <button
      ref={button}
      className="quiet"
      type="button"
      aria-label={`${labels[outcome]}: ${messageId}`}
      onClick={copy}
      onBlur={() => setOutcome('idle')}
    >
      {labels[outcome]}
    </button>
  )
}
