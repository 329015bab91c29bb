import { expect, test } from 'vitest'
import {
  adding,
  finished,
  isList,
  looksWrong,
  nobody,
  parseRecipients,
  showRecipient,
  typing,
} from './recipients'

const shown = (text: string) => parseRecipients(text).map(showRecipient)

test.each([
  ['ann@example.com', ['ann@example.com']],
  ['Ann <ann@example.com>', ['Ann <ann@example.com>']],
  ['<ann@example.com>', ['ann@example.com']],
  ['a@x.io, b@x.io; c@x.io\nd@x.io\r\n', ['a@x.io', 'b@x.io', 'c@x.io', 'd@x.io']],
  ['a@x.io b@x.io\tc@x.io', ['a@x.io', 'b@x.io', 'c@x.io']],
  ['"Archive, EU" <a@x.io>, b@x.io', ['Archive, EU <a@x.io>', 'b@x.io']],
  [String.raw`"Ann \"A\" B" <a@x.io>`, ['Ann "A" B <a@x.io>']],
  ['Müller, Jörg <j@x.io>; Ann <a@x.io>', ['Müller, Jörg <j@x.io>', 'Ann <a@x.io>']],
  ['no address', ['no address']],
  ['Ann <nobody>', ['Ann <nobody>']],
  ['"never closed\nb@x.io', ['"never closed', 'b@x.io']],
  [' , ;\n', []],
])('%j is %j', (text, recipients) => {
  expect(shown(text)).toEqual(recipients)
})

test('a comma ends a recipient, within quotes it does not', () => {
  expect(typing(nobody, 'a@x.io')).toEqual({ done: [], typed: 'a@x.io' })
  expect(typing(nobody, 'a@x.io,')).toEqual({ done: [{ email: 'a@x.io', name: '' }], typed: '' })
  expect(typing(nobody, '"Archive, ')).toEqual({ done: [], typed: '"Archive, ' })
})

test('what stands after the comma goes on being typed', () => {
  expect(typing(nobody, 'a@x.io; b@')).toEqual({ done: [{ email: 'a@x.io', name: '' }], typed: 'b@' })
})

test('nobody is there twice, whatever the case', () => {
  const one = typing(nobody, 'a@x.io,')

  expect(adding(one, parseRecipients('A@X.IO, b@x.io')).done).toHaveLength(2)
  expect(typing(one, 'A@x.io,').done).toBe(one.done)
})

test('a list in which nothing is typed is finished already', () => {
  const list = typing(nobody, 'a@x.io,')

  expect(finished(list)).toBe(list)
  expect(finished({ ...list, typed: 'b@x.io' }).done).toHaveLength(2)
})

test.each([
  ['a@x.io, b@x.io', true],
  ['a@x.io\n', true],
  ['a@x.io b@x.io', true],
  ['a@x.io', false],
  ['Ann Example <a@x.io>', false],
])('whether %j is a list: %s', (text, is) => {
  expect(isList(text)).toBe(is)
})

test.each([
  ['a@x.io', false],
  ['ben@bücher.example', false],
  ['no address', true],
  ['a@b@x.io', true],
  ['a@localhost', true],
  ['a@x..io', true],
])('whether %s looks wrong: %s', (email, wrong) => {
  expect(looksWrong({ email, name: '' })).toBe(wrong)
})
