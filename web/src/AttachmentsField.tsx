import { useRef, type ChangeEvent } from 'react'
import {
  attach,
  contentIdFor,
  isImage,
  meter,
  size,
  type Attachment,
} from './attachments'
import type { Item } from './places'

interface Props {
  attachments: readonly Attachment[]
  most: number
  error: string | undefined
  itemErrors: ReadonlyMap<Item, string>
  onEdit: (edit: (current: readonly Attachment[]) => readonly Attachment[]) => void
}

/** The files of an email, and how much of the room they take. */
export function AttachmentsField({ attachments, most, error, itemErrors, onEdit }: Props) {
  const choose = useRef<HTMLInputElement>(null)
  const button = useRef<HTMLButtonElement>(null)
  const { used, over, words } = meter(attachments, most)

  function chosen(event: ChangeEvent<HTMLInputElement>) {
    const more = attach(event.target.files ?? [])
    onEdit((current) => [...current, ...more])
    // Else the same file could not be chosen again.
    event.target.value = ''
  }

  function remove(one: Attachment) {
    onEdit((current) => current.filter(({ id }) => id !== one.id))
    button.current?.focus()
  }

  function change(one: Attachment, contentId: string) {
    onEdit((current) =>
      current.map((other) => (other.id === one.id ? { ...one, contentId } : other)),
    )
  }

  return (
    <div className="field attachments" data-field="attachments">
      <div className="attach">
        <button
          ref={button}
          className="quiet"
          type="button"
          data-wrong={error ? true : undefined}
          aria-describedby={error && 'attachments-error'}
          onClick={() => choose.current?.click()}
        >
          Attach files
        </button>
        <input
          ref={choose}
          type="file"
          multiple
          hidden
          aria-label="Files to attach"
          onChange={chosen}
        />
        <span className="hint drop-hint">or drop them anywhere on the form</span>
      </div>
      {attachments.length > 0 && (
        <>
          <ul className="files" aria-label="Attachments">
            {attachments.map((one) => (
              <File
                key={one.id}
                one={one}
                error={itemErrors.get(one)}
                onRemove={() => remove(one)}
                onInline={(inline) =>
                  change(one, inline ? contentIdFor(one.file.name, taken(attachments)) : '')
                }
              />
            ))}
          </ul>
          <div className="room" data-over={over}>
            <meter
              className="unseen"
              aria-label="Size of all attachments"
              aria-valuetext={words}
              min={0}
              max={Math.max(most, 1)}
              value={used}
            />
            {/* Browsers do not agree on how a meter is styled. */}
            <span className="bar" aria-hidden="true">
              <span style={{ width: `${Math.min(1, used / Math.max(most, 1)) * 100}%` }} />
            </span>
            <span>{words}</span>
          </div>
        </>
      )}
      <output className="unseen">
        {attachments.length > 0 &&
          `${attachments.length === 1 ? '1 file' : `${attachments.length} files`}, ${words}`}
      </output>
      {error && (
        <p className="field-error" id="attachments-error">
          {error}
        </p>
      )}
    </div>
  )
}

interface FileProps {
  one: Attachment
  error: string | undefined
  onRemove: () => void
  onInline: (inline: boolean) => void
}

function File({ one, error, onRemove, onInline }: FileProps) {
  const { id, file, contentId } = one
  return (
    <li className="file">
      <div className="file-head">
        <span className="file-name">{file.name}</span>
        <span className="hint">{size(file.size)}</span>
        <button
          className="quiet"
          type="button"
          data-wrong={error ? true : undefined}
          aria-describedby={error && `file-error-${id}`}
          aria-label={`Remove ${file.name}`}
          onClick={onRemove}
        >
          Remove
        </button>
      </div>
      {isImage(one) && (
        <div className="inline">
          <label className="check">
            <input
              type="checkbox"
              checked={contentId !== ''}
              onChange={(event) => onInline(event.target.checked)}
            />
            Show inline
            <span className="unseen"> {file.name}</span>
          </label>
          {contentId && (
            <span className="hint">
              In the HTML: <code>{`<img src="cid:${contentId}">`}</code>
            </span>
          )}
        </div>
      )}
      {error && (
        <p className="field-error" id={`file-error-${id}`}>
          {error}
        </p>
      )}
    </li>
  )
}

function taken(attachments: readonly Attachment[]): string[] {
  return attachments.map(({ contentId }) => contentId)
}
