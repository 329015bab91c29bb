/** The request of the form as a command for a shell. Pure. */

import { size } from './attachments'
import type { Draft } from './email'
import { toRequest } from './email'

/** Larger files are left out: nobody reads their base64, and a terminal chokes on it. */
export const MOST_SHOWN = 2048

/**
 * A command that any POSIX shell takes as it stands: the address in single quotes, the body in a
 * heredoc in which nothing is expanded.
 *
 * @param contents in base64, of the files that are not left out.
 * @param options `withKey`: the API wants a key, which is in the shell's variable GOMAIL_KEY.
 */
export function asCurl(
  apiBase: string,
  draft: Draft,
  contents: readonly string[],
  { withKey = false }: { withKey?: boolean } = {},
): string {
  const shown = draft.attachments.map(({ file }, index) =>
    isLeftOut(file) ? `(base64 of ${file.name}, ${size(file.size)}, is left out here)` : (contents[index] ?? ''),
  )
  // Lines of JSON begin with a space or a bracket, so that none of them ends the heredoc.
  const json = visible(JSON.stringify(toRequest(draft, shown), null, 2))
  // In double quotes, so that the shell puts the key in: it is not for a screen or a history.
  const key = withKey ? [`  --header "authorization: Bearer $GOMAIL_KEY" \\`] : []
  return [
    `curl --request POST ${quoted(`${apiBase}/email/send`)} \\`,
    `  --header 'content-type: application/json' \\`,
    ...key,
    `  --data-binary @- <<'EMAIL'`,
    json,
    'EMAIL',
    '',
  ].join('\n')
}

export function isLeftOut(file: File): boolean {
  return file.size > MOST_SHOWN
}

/** One word for a POSIX shell, whatever is in it. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}

/** What a terminal obeys, or what turns text around, is written as an escape. */
function visible(json: string): string {
  return json.replaceAll(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
