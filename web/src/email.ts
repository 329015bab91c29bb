/** The email as the form holds it and as the API takes it. Pure. */

import type { Attachment } from './attachments'
import { finished, nobody, type Recipient, type Recipients } from './recipients'
import { toInstant } from './schedule'

const textNames = [
  'fromName',
  'fromEmail',
  'subject',
  'body',
  'html',
  'sendAt',
  'expiresAt',
] as const
export type TextName = (typeof textNames)[number]

const listNames = ['to', 'cc', 'bcc', 'replyTo'] as const
export type ListName = (typeof listNames)[number]

export type FieldName = TextName | ListName | 'attachments'

export interface Draft extends Record<TextName, string>, Record<ListName, Recipients> {
  attachments: readonly Attachment[]
}

interface Mailbox {
  email: string
  name?: string
}

interface Attached {
  filename: string
  /** Base64. */
  content: string
  contentType?: string
  contentId?: string
}

/** `POST /email/send`: what the API calls optional may be absent. */
export interface SendRequest {
  email: {
    fromEmail: string
    fromName?: string
    toEmail?: string
    toName?: string
    to?: Mailbox[]
    cc?: Mailbox[]
    bcc?: Mailbox[]
    replyTo?: Mailbox[]
    subject?: string
    body?: string
    html?: string
    attachments?: Attached[]
    sendAt?: string
    expiresAt?: string
  }
}

export const emptyDraft: Draft = {
  fromName: '',
  fromEmail: '',
  to: nobody,
  cc: nobody,
  bcc: nobody,
  replyTo: nobody,
  subject: '',
  body: '',
  html: '',
  attachments: [],
  sendAt: '',
  expiresAt: '',
}

/** The draft with every recipient that is still being typed. */
export function completed(draft: Draft): Draft {
  const { to, cc, bcc, replyTo } = draft
  return {
    ...draft,
    to: finished(to),
    cc: finished(cc),
    bcc: finished(bcc),
    replyTo: finished(replyTo),
  }
}

/**
 * What uses none of the later fields is written in the first ones, which every version knows.
 * Required fields travel even when empty: whether they may be is the server's word.
 *
 * @param contents of the attachments, in base64.
 */
export function toRequest(draft: Draft, contents: readonly string[]): SendRequest {
  const { fromEmail, fromName, subject, body, html, sendAt, expiresAt, attachments } = draft
  return {
    email: {
      fromEmail,
      ...(fromName && { fromName }),
      ...addressee(draft.to.done),
      ...(draft.cc.done.length && { cc: draft.cc.done.map(mailbox) }),
      ...(draft.bcc.done.length && { bcc: draft.bcc.done.map(mailbox) }),
      ...(draft.replyTo.done.length && { replyTo: draft.replyTo.done.map(mailbox) }),
      ...(subject && { subject }),
      ...((body || !html) && { body }),
      ...(html && { html }),
      ...(attachments.length && {
        attachments: attachments.map((one, index) => attached(one, contents[index] ?? '')),
      }),
      ...(sendAt && { sendAt: toInstant(sendAt) }),
      ...(expiresAt && { expiresAt: toInstant(expiresAt) }),
    },
  }
}

/** The recipients in a few words, for a headline. */
export function recipientsOf({ to, cc, bcc }: Draft): string {
  const all = [...to.done, ...cc.done, ...bcc.done]
  const [first, ...others] = all.map(({ email }) => email)
  if (first === undefined) return 'No recipient'
  return others.length > 0 ? `${first} and ${others.length} more` : first
}

function addressee(to: readonly Recipient[]) {
  if (to.length > 1) return { to: to.map(mailbox) }
  const { email, name } = to[0] ?? { email: '', name: '' }
  return { toEmail: email, ...(name && { toName: name }) }
}

function mailbox({ email, name }: Recipient): Mailbox {
  return { email, ...(name && { name }) }
}

function attached({ file, contentType, contentId }: Attachment, content: string): Attached {
  return {
    filename: file.name,
    content,
    ...(contentType && { contentType }),
    ...(contentId && { contentId }),
  }
}
