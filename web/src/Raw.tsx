/** A provider's own code and words, for whoever has to look further. */
export function Raw({ code, message }: { code: string; message: string }) {
  if (!code && !message) return null
  return (
    <p className="raw">
      {code && <code>{code}</code>} {message}
    </p>
  )
}
