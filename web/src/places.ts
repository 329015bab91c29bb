/** Where the form shows an error of the server. Pure. */

import type { Refusal } from './answer'
import type { Attachment } from './attachments'
import type { Draft, FieldName } from './email'
import { showRecipient, type Recipient } from './recipients'

export interface Place {
  field: FieldName
  /** Of the recipient or file within the field; null for the field itself. */
  index: number | null
}

/** One entry of a list in the form; it is the same entry as long as it is the same object. */
export type Item = Recipient | Attachment

/** The errors that the form shows. */
export interface FormErrors {
  above: string[]
  fields: Partial<Record<FieldName, string>>
  items: ReadonlyMap<Item, string>
}

export const noErrors: FormErrors = { above: [], fields: {}, items: new Map() }

const places: Record<string, Place> = {
  fromName: { field: 'fromName', index: null },
  fromEmail: { field: 'fromEmail', index: null },
  toName: { field: 'to', index: 0 },
  toEmail: { field: 'to', index: 0 },
  to: { field: 'to', index: null },
  cc: { field: 'cc', index: null },
  bcc: { field: 'bcc', index: null },
  replyTo: { field: 'replyTo', index: null },
  subject: { field: 'subject', index: null },
  body: { field: 'body', index: null },
  text: { field: 'body', index: null },
  html: { field: 'html', index: null },
  attachments: { field: 'attachments', index: null },
  sendAt: { field: 'sendAt', index: null },
  expiresAt: { field: 'expiresAt', index: null },
}

/** Of a key such as `to.1.email`; null for what the form does not have. */
export function placeOf(key: string): Place | null {
  const nested = /^(to|cc|bcc|replyTo|attachments)\.(\d{1,4})(?:\.|$)/.exec(key)
  if (nested) return { field: nested[1] as FieldName, index: Number(nested[2]) }
  return Object.hasOwn(places, key) ? places[key]! : null
}

/** An error stands as long as what was refused is there unchanged. */
export function placed(refusal: Refusal, refused: Draft, draft: Draft): FormErrors {
  const fields: FormErrors['fields'] = {}
  const items = new Map<Item, string>()
  for (const [key, sentence] of Object.entries(refusal.fields)) {
    const place = placeOf(key)
    if (!place) continue
    const item = itemAt(refused, place)
    if (item) {
      if (itemsOf(draft, place.field).includes(item)) items.set(item, add(items.get(item), sentence))
    } else if (draft[place.field] === refused[place.field]) {
      fields[place.field] = add(fields[place.field], sentence)
    }
  }
  return { above: refusal.above, fields, items }
}

/** All its sentences in the order of the form, each with what it is about where that is in a list. */
export function sentences(refusal: Refusal, draft: Draft): string[] {
  const order = Object.keys(places)
  const rank = (key: string) => order.indexOf(placeOf(key)!.field)
  const keys = Object.keys(refusal.fields)
    .filter(placeOf)
    .toSorted((one, other) => rank(one) - rank(other))
  return [...refusal.above, ...keys.map((key) => about(key, refusal.fields[key]!, draft))]
}

function about(key: string, sentence: string, draft: Draft): string {
  const place = placeOf(key)!
  const item = itemAt(draft, place)
  return item && itemsOf(draft, place.field).length > 1 ? `${nameOf(item)}: ${sentence}` : sentence
}

export function nameOf(item: Item): string {
  return 'file' in item ? item.file.name : showRecipient(item)
}

function itemAt(draft: Draft, { field, index }: Place): Item | undefined {
  return index === null ? undefined : itemsOf(draft, field)[index]
}

function itemsOf(draft: Draft, field: FieldName): readonly Item[] {
  const value = draft[field]
  if (typeof value === 'string') return []
  return 'done' in value ? value.done : value
}

function add(before: string | undefined, sentence: string): string {
  return before ? `${before}. ${sentence}` : sentence
}
