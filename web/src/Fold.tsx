import { useState, type ReactNode } from 'react'

interface Props {
  title: string
  /** Something in it must be seen. */
  needed: boolean
  /** Something in it goes along. */
  filled: boolean
  children: ReactNode
}

/** Fields that few need, folded away until somebody opens them or one of them is wrong. */
export function Fold({ title, needed, filled, children }: Props) {
  const [open, setOpen] = useState(false)
  const [lastNeeded, setLastNeeded] = useState(false)
  if (needed !== lastNeeded) {
    setLastNeeded(needed)
    if (needed) setOpen(true)
  }
  return (
    <details className="fold" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {title}
        {filled && !open && <span className="filled"> filled in</span>}
      </summary>
      <div className="folded">{children}</div>
    </details>
  )
}
