import { useEffect, useRef, useState } from 'react'
import { size, type Attachment } from './attachments'
import { base64 } from './contents'
import { Copy } from './Copy'
import { asCurl, isLeftOut } from './curl'
import { completed, type Draft } from './email'
import { useAccess } from './store'

/** The request of the form, for a shell. */
export function CurlPanel({ apiBase, draft }: { apiBase: string; draft: Draft }) {
  const contents = useShown(draft.attachments)
  const leftOut = draft.attachments.filter(({ file }) => isLeftOut(file))
  const { held } = useAccess()
  const command = asCurl(apiBase, completed(draft), contents, { withKey: held })
  const pre = useRef<HTMLPreElement>(null)
  return (
    <div className="curl">
      <div className="field-head">
        <h3>As cURL</h3>
        <Copy text={command} label="Copy command" target={() => pre.current} />
      </div>
      {leftOut.length > 0 && (
        <p className="note">
          Files over 2 KB are left out: put the base64 of{' '}
          {leftOut.map(({ file }) => `${file.name} (${size(file.size)})`).join(', ')} in its place.
        </p>
      )}
      {/* A region that scrolls can be reached by keyboard. */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre ref={pre} tabIndex={0} aria-label="Command">
        {command}
      </pre>
    </div>
  )
}

/** The contents that are short enough to be shown, in base64. */
function useShown(attachments: readonly Attachment[]): string[] {
  const [contents, setContents] = useState<string[]>([])
  useEffect(() => {
    let isCurrent = true
    void Promise.all(
      attachments.map(({ file }) => (isLeftOut(file) ? '' : base64(file).catch(() => ''))),
    ).then((read) => {
      if (isCurrent) setContents(read)
    })
    return () => {
      isCurrent = false
    }
  }, [attachments])
  return contents
}
