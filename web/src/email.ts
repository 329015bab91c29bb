/** The email as the form holds it and as the API takes it. Pure. */

export const fieldNames = ['fromName', 'fromEmail', 'toName', 'toEmail', 'subject', 'body'] as const

export type FieldName = (typeof fieldNames)[number]

export type Draft = Record<FieldName, string>

/** `POST /email/send`: what the API calls optional may be absent. */
export interface SendRequest {
  email: Pick<Draft, 'fromEmail' | 'toEmail' | 'body'> & Partial<Draft>
}

export const emptyDraft: Draft = {
  fromName: '',
  fromEmail: '',
  toName: '',
  toEmail: '',
  subject: '',
  body: '',
}

export function isFieldName(name: string): name is FieldName {
  return (fieldNames as readonly string[]).includes(name)
}

/** Required fields travel even when empty: whether they may be is the server's word. */
export function toRequest(draft: Draft): SendRequest {
  const { fromEmail, fromName, toEmail, toName, subject, body } = draft
  return {
    email: {
      fromEmail,
      ...(fromName && { fromName }),
      toEmail,
      ...(toName && { toName }),
      ...(subject && { subject }),
      body,
    },
  }
}
