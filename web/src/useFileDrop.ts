import { useState, type DragEvent } from 'react'

/** Handlers of an element on which files can be dropped; text is dropped as ever. */
export function useFileDrop(onDrop: (files: Iterable<File>) => void) {
  const [dropping, setDropping] = useState(false)
  return {
    dropping,
    onDragOver(event: DragEvent) {
      if (!holdsFiles(event)) return
      event.preventDefault()
      event.dataTransfer.dropEffect = 'copy'
      setDropping(true)
    },
    onDragLeave(event: DragEvent) {
      // Going from one part of the element to another is told, too.
      const to = event.relatedTarget
      if (!(to instanceof Node && event.currentTarget.contains(to))) setDropping(false)
    },
    onDrop(event: DragEvent) {
      if (!holdsFiles(event)) return
      event.preventDefault()
      setDropping(false)
      // A folder comes as a file of no type that cannot be read; sending says so.
      onDrop(event.dataTransfer.files)
    },
  }
}

function holdsFiles({ dataTransfer }: DragEvent): boolean {
  return dataTransfer.types.includes('Files')
}
