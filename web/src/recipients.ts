/** Recipients as a person types or pastes them, and as the form holds them. Pure. */

export interface Recipient {
  /** As typed; whether it is an address is the server's word. */
  email: string
  name: string
}

/** What one field of recipients holds: those that are done, and what is being typed. */
export interface Recipients {
  done: readonly Recipient[]
  typed: string
}

export const nobody: Recipients = { done: [], typed: '' }

/** After each change of the text: what a comma, a semicolon or a line ends is done. */
export function typing(list: Recipients, text: string): Recipients {
  const pieces = split(text)
  const rest = pieces.pop()!.text
  return { done: joined(list.done, toRecipients(pieces)), typed: pieces.length ? rest.trimStart() : rest }
}

/** Whatever is typed is done; the same list where nothing is. */
export function finished(list: Recipients): Recipients {
  return list.typed === ''
    ? list
    : { done: joined(list.done, parseRecipients(list.typed)), typed: '' }
}

export function adding(list: Recipients, more: readonly Recipient[]): Recipients {
  return { ...list, done: joined(list.done, more) }
}

export function without(list: Recipients, one: Recipient): Recipients {
  return { ...list, done: list.done.filter((other) => other !== one) }
}

/** A text that names several recipients, or a part of one only. */
export function isList(text: string): boolean {
  return parseRecipients(text).length > 1 || split(text).length > 1
}

/** `Ben <ben@example.com>, ann@example.com`, separated by commas, semicolons, lines or spaces. */
export function parseRecipients(text: string): Recipient[] {
  return toRecipients(split(text))
}

export function showRecipient({ name, email }: Recipient): string {
  return name ? `${name} <${email}>` : email
}

/** Only what is wrong beyond doubt; the server knows the rest. */
export function looksWrong({ email }: Recipient): boolean {
  return !/^[^\s@<>,;"]{1,64}@[^\s@<>,;".]+(\.[^\s@<>,;".]+)+$/.test(email)
}

interface Piece {
  text: string
  /** What ended it; empty for the last. */
  end: string
}

/** Separators within quotes and angle brackets separate nothing; a line's end always does. */
function split(text: string): Piece[] {
  const pieces: Piece[] = []
  let piece = ''
  let quoted = false
  let bracketed = false
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at]!
    const free = !quoted && !bracketed
    if (/[\r\n]/.test(character) || (free && /[,;]/.test(character))) {
      pieces.push({ text: piece, end: character })
      piece = ''
      quoted = bracketed = false
      continue
    }
    if (character === '\\' && quoted) piece += text[at++]
    else if (character === '"' && !bracketed) quoted = !quoted
    else if (!quoted && (character === '<' || character === '>')) bracketed = character === '<'
    piece += text[at] ?? ''
  }
  return [...pieces, { text: piece, end: '' }]
}

function toRecipients(pieces: Piece[]): Recipient[] {
  const recipients: Recipient[] = []
  let before = ''
  for (const [at, { text, end }] of pieces.entries()) {
    const whole = before + text
    const next = pieces[at + 1]?.text ?? ''
    // A name with a comma in it that nobody has quoted: `Archive, EU <archive@example.com>`.
    const isName = end === ',' && text.trim() !== '' && !text.includes('@') && bracketed.test(next)
    before = isName ? `${whole},` : ''
    if (isName) continue
    if (bracketed.test(whole)) recipients.push(toRecipient(whole))
    else recipients.push(...apart(whole).map(toRecipient))
  }
  return recipients
}

const bracketed = /^([^<]*)<([^<>]*@[^<>]*)>\s*$/s

/** `a@example.com b@example.com` is two; `no address` is one that is wrong. */
function apart(text: string): string[] {
  const words = text.trim().split(/\s+/)
  return words.every((word) => word.includes('@')) ? words : [text.trim()].filter(Boolean)
}

function toRecipient(text: string): Recipient {
  const found = bracketed.exec(text)
  if (!found) return { email: text.trim(), name: '' }
  return { email: found[2]!.trim(), name: unquoted(found[1]!.trim()) }
}

function unquoted(name: string): string {
  const found = /^"(.*)"$/s.exec(name)
  return found ? found[1]!.replaceAll(/\\(.)/gs, '$1') : name
}

/** Nobody is there twice. */
function joined(done: readonly Recipient[], more: readonly Recipient[]): readonly Recipient[] {
  const all = [...done]
  for (const one of more) {
    if (!all.some((other) => other.email.toLowerCase() === one.email.toLowerCase())) all.push(one)
  }
  return all.length === done.length ? done : all
}
