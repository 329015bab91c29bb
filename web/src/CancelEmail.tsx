import { useCancelEmailMutation } from './api'

/** Calls an email back that is not sent yet, and says why where that fails. */
export function CancelEmail({ messageId }: { messageId: string }) {
  const [cancel, { data, isLoading }] = useCancelEmailMutation()
  return (
    <>
      {data === null ? (
        <span className="hint">Canceled</span>
      ) : (
        <button
          className="quiet"
          type="button"
          disabled={isLoading}
          aria-label={`Cancel email: ${messageId}`}
          onClick={() => void cancel(messageId)}
        >
          {isLoading ? 'Canceling…' : 'Cancel email'}
        </button>
      )}
      <output className="cancel-note">{data}</output>
    </>
  )
}
