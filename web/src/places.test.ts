import { expect, test } from 'vitest'
import { attach } from './attachments'
import { emptyDraft, type Draft } from './email'
import { placed, placeOf, sentences } from './places'
import { parseRecipients } from './recipients'

const people = (text: string) => ({ done: parseRecipients(text), typed: '' })
const refused: Draft = {
  ...emptyDraft,
  to: people('ann@example.com, ben@, cy@example.com'),
  attachments: attach([new File([''], 'a/b')]),
}
const [ann, ben] = refused.to.done
const refusal = (fields: Record<string, string>) => ({ fields, above: [], certain: true })
const WRONG = 'To email is not a valid email'

test.each([
  ['fromEmail', { field: 'fromEmail', index: null }],
  ['toEmail', { field: 'to', index: 0 }],
  ['toName', { field: 'to', index: 0 }],
  ['to', { field: 'to', index: null }],
  ['to.1.email', { field: 'to', index: 1 }],
  ['replyTo.0', { field: 'replyTo', index: 0 }],
  ['text', { field: 'body', index: null }],
  ['attachments.0.filename', { field: 'attachments', index: 0 }],
  ['headers.X-A', null],
  ['to.x.email', null],
  ['constructor', null],
  ['base', null],
])('%s belongs to %j', (key, place) => {
  expect(placeOf(key)).toEqual(place)
})

test('an error of the second recipient is at the second chip', () => {
  const { fields, items } = placed(refusal({ 'to.1.email': WRONG }), refused, refused)

  expect(fields).toEqual({})
  expect([...items]).toEqual([[ben, WRONG]])
})

test('it stays at its chip when another one goes, and goes with its own', () => {
  const errors = refusal({ 'to.1.email': WRONG })
  const withoutAnn = { ...refused, to: { done: refused.to.done.slice(1), typed: '' } }
  const withoutBen = { ...refused, to: { done: [ann!], typed: '' } }

  expect([...placed(errors, refused, withoutAnn).items]).toEqual([[ben, WRONG]])
  expect([...placed(errors, refused, withoutBen).items]).toEqual([])
})

test('a file has its own errors, all of them', () => {
  const errors = refusal({ 'attachments.0.filename': 'One', 'attachments.0.content': 'Two' })

  expect([...placed(errors, refused, refused).items.values()]).toEqual(['One. Two'])
})

test('an error of an entry that is not there is at its field', () => {
  const errors = refusal({ toEmail: 'To email is required', 'cc.7.email': 'Strange' })

  expect(placed(errors, emptyDraft, emptyDraft).fields).toEqual({
    to: 'To email is required',
    cc: 'Strange',
  })
})

test('an error of a field goes once the field is changed', () => {
  const errors = refusal({ html: 'Too long', sendAt: 'Too late' })

  expect(placed(errors, refused, { ...refused, html: 'x' }).fields).toEqual({ sendAt: 'Too late' })
})

test('in a list of sentences each names what it is about, in the order of the form', () => {
  const errors = refusal({
    'attachments.0.filename': 'Bad name',
    'to.1.email': WRONG,
    fromEmail: 'From email is required',
  })

  expect(sentences(errors, refused)).toEqual(['From email is required', `ben@: ${WRONG}`, 'Bad name'])
})
