import { useEffect, useState } from 'react'
import type { Attachment } from './attachments'
import { dataUrl } from './contents'
import { hasRemoteImages, namedImages, previewDocument } from './preview'

// Long enough for the next key, short enough to look live.
const PAUSE_MS = 250

/** What the HTML looks like, in a frame that can run nothing and knows nothing of this page. */
export function HtmlPreview({ html, attachments }: { html: string; attachments: readonly Attachment[] }) {
  const [remoteImages, setRemoteImages] = useState(false)
  const settled = useSettled(html)
  const images = useImages(namedImages(settled, attachments))
  return (
    <div className="preview">
      <div className="field-head">
        <h3>Preview</h3>
        {hasRemoteImages(settled) && (
          <label className="check">
            <input
              type="checkbox"
              checked={remoteImages}
              onChange={(event) => setRemoteImages(event.target.checked)}
            />
            Load remote images
          </label>
        )}
      </div>
      <iframe
        title="Preview of the HTML body"
        sandbox=""
        referrerPolicy="no-referrer"
        srcDoc={previewDocument(settled, { images, remoteImages })}
      />
    </div>
  )
}

/** The value once it has not changed for a moment. */
function useSettled(value: string): string {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), PAUSE_MS)
    return () => clearTimeout(timer)
  }, [value])
  return settled
}

/** The images that could be read, by their content ids. */
function useImages(attachments: readonly Attachment[]): ReadonlyMap<string, string> {
  const [images, setImages] = useState<ReadonlyMap<string, string>>(new Map())
  const wanted = attachments.map(({ id, contentId }) => `${id} ${contentId}`).join('\n')
  useEffect(() => {
    let isCurrent = true
    void Promise.all(
      attachments.map(async ({ contentId, file }) => [contentId, await dataUrl(file).catch(() => '')] as const),
    ).then((read) => {
      if (isCurrent) setImages(new Map(read))
    })
    return () => {
      isCurrent = false
    }
    // The list is made anew each time; `wanted` tells when it is another.
    // oxlint-disable-next-line react-hooks/exhaustive-deps
  }, [wanted])
  return images
}
