/** Files that travel with an email: what is known of them without reading them. Pure. */

import { nanoid } from '@reduxjs/toolkit'

export interface Attachment {
  id: string
  file: File
  /** Empty where the browser does not know; the server guesses then. */
  contentType: string
  /** Under which `cid:` address the HTML shows it; empty where it is an attachment only. */
  contentId: string
}

export const MEBIBYTE = 1_048_576
export const MOST_BYTES = 10 * MEBIBYTE

export function attach(files: Iterable<File>): Attachment[] {
  return Array.from(files, (file) => ({
    id: nanoid(),
    file,
    contentType: /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+/.exec(file.type)?.[0] ?? '',
    contentId: '',
  }))
}

export function isImage({ contentType }: Attachment): boolean {
  return contentType.startsWith('image/')
}

/** The file's name as far as a content id may hold it, made unlike the others. */
export function contentIdFor(filename: string, taken: readonly string[]): string {
  const stem = filename.replaceAll(/[^\w.@+-]+/g, '-').slice(0, 70).replaceAll(/^-+|-+$/g, '')
  const wanted = stem || 'image'
  for (let number = 2, id = wanted; ; id = `${wanted}-${number++}`) {
    if (!taken.includes(id)) return id
  }
}

export interface Meter {
  used: number
  most: number
  over: boolean
  words: string
}

export function meter(attachments: readonly Attachment[], most: number): Meter {
  const used = attachments.reduce((sum, { file }) => sum + file.size, 0)
  const over = used > most
  const excess = over ? `: ${size(used - most)} too much` : ''
  return { used, most, over, words: `${size(used)} of ${size(most)}${excess}` }
}

/** `512 B`, `1.5 KiB`, `10 MiB`. */
export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  // What would round up to 1024 KiB is said in MiB.
  const [amount, unit] =
    bytes < 1023.5 * 1024 ? [bytes / 1024, 'KiB'] : [bytes / MEBIBYTE, 'MiB']
  const text = amount < 9.95 ? amount.toFixed(1).replace('.0', '') : amount.toFixed(0)
  return `${text} ${unit}`
}
