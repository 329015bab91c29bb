import { expect, test } from 'vitest'
import { attach, contentIdFor, isImage, meter, MEBIBYTE, size } from './attachments'

const file = (bytes: number, name = 'file', type = '') =>
  new File([new Uint8Array(bytes)], name, { type })

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1 KiB'],
  [1536, '1.5 KiB'],
  [20_000, '20 KiB'],
  [MEBIBYTE - 1, '1 MiB'],
  [7.25 * MEBIBYTE, '7.3 MiB'],
  [10 * MEBIBYTE, '10 MiB'],
])('%d bytes are %s', (bytes, words) => {
  expect(size(bytes)).toBe(words)
})

test('files together fill the meter', () => {
  expect(meter(attach([file(512), file(512)]), 4096)).toEqual({
    used: 1024,
    most: 4096,
    over: false,
    words: '1 KiB of 4 KiB',
  })
})

test('exactly the limit is not too much, one byte more is', () => {
  expect(meter(attach([file(1000)]), 1000).over).toBe(false)
  expect(meter(attach([file(1001)]), 1000)).toMatchObject({
    over: true,
    words: '1001 B of 1000 B: 1 B too much',
  })
})

test('a type is taken without its parameters, and none where it is no type', () => {
  const types = attach([
    file(0, 'a', 'text/plain;charset=utf-8'),
    file(0, 'b', 'image/svg+xml'),
    file(0, 'c', 'nonsense'),
  ]).map(({ contentType }) => contentType)

  expect(types).toEqual(['text/plain', 'image/svg+xml', ''])
})

test('an image can be shown inline', () => {
  const [image, text] = attach([file(0, 'a', 'image/png'), file(0, 'b', 'text/plain')])

  expect(isImage(image!)).toBe(true)
  expect(isImage(text!)).toBe(false)
})

test.each([
  ['logo.png', [], 'logo.png'],
  ['logo.png', ['logo.png', 'logo.png-2'], 'logo.png-3'],
  ['Größe & Logo (1).png', [], 'Gr-e-Logo-1-.png'],
  ['图', [], 'image'],
  ['x'.repeat(300), [], 'x'.repeat(70)],
])('%s beside %j is cid:%s', (filename, taken, id) => {
  expect(contentIdFor(filename, taken)).toBe(id)
})
