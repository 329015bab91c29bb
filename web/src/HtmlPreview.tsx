import { useCallback, useEffect, useRef, useState } from 'react'
import type { Attachment } from './attachments'
import { dataUrl } from './contents'
import { hasRemoteImages, namedImages, previewDocument } from './preview'

// Long enough for the next key, short enough to look live.
const PAUSE_MS = 250

/**
 * What the HTML looks like. It is handed to a page whose policy is its own, in a frame that knows
 * nothing of this one; there it is shown in a frame that can run nothing at all.
 */
export function HtmlPreview({ html, attachments }: { html: string; attachments: readonly Attachment[] }) {
  const [remoteImages, setRemoteImages] = useState(false)
  const [shown, setShown] = useState('')
  useEffect(() => {
    let isCurrent = true
    async function show() {
      const images = await readImages(namedImages(html, attachments))
      if (isCurrent) setShown(previewDocument(html, { images, remoteImages }))
    }
    const timer = setTimeout(() => void show(), PAUSE_MS)
    return () => {
      isCurrent = false
      clearTimeout(timer)
    }
  }, [html, attachments, remoteImages])
  const frame = useRef<HTMLIFrameElement>(null)
  // To whoever is in the frame: its origin is like no other, and the policy lets in preview.html only.
  const hand = useCallback(() => frame.current?.contentWindow?.postMessage(shown, '*'), [shown])
  useEffect(hand, [hand])
  return (
    <div className="preview">
      <div className="field-head">
        <h3>Preview</h3>
        {hasRemoteImages(html) && (
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
        ref={frame}
        title="Preview of the HTML body"
        src="preview.html"
        sandbox="allow-scripts"
        referrerPolicy="no-referrer"
        onLoad={hand}
      />
    </div>
  )
}

/** By their content ids; one that cannot be read is missing in the preview, too. */
async function readImages(attachments: readonly Attachment[]): Promise<Map<string, string>> {
  const read = attachments.map(
    async ({ contentId, file }) => [contentId, await dataUrl(file).catch(() => '')] as const,
  )
  return new Map(await Promise.all(read))
}
