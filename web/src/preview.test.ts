import { expect, test } from 'vitest'
import { attach } from './attachments'
import { hasRemoteImages, namedImages, previewDocument } from './preview'

const none: ReadonlyMap<string, string> = new Map()

test('the policy stands before anything that the sender wrote', () => {
  const shown = previewDocument('<head><p>Hello', { images: none, remoteImages: false })

  expect(shown.indexOf('Content-Security-Policy')).toBeLessThan(shown.indexOf('<head>'))
  expect(shown).toContain(`default-src 'none'; style-src 'unsafe-inline'; img-src data:">`)
})

test('remote images are let in when asked for, over https only', () => {
  expect(previewDocument('', { images: none, remoteImages: true })).toContain('img-src data: https:"')
})

test('inline images are put in place of their cid: addresses', () => {
  const images = new Map([['logo', 'data:image/png;base64,eA==']])

  const shown = previewDocument('<img src="cid:logo"><img src="cid:logo2">', {
    images,
    remoteImages: false,
  })

  expect(shown).toContain('<img src="data:image/png;base64,eA=="><img src="cid:logo2">')
})

test('only images that the HTML names are read', () => {
  const [logo, other] = attach([new File([''], 'a'), new File([''], 'b')])
  const attachments = [{ ...logo!, contentId: 'logo' }, other!]

  expect(namedImages('<img src="cid:logo">', attachments)).toEqual([attachments[0]])
})

test.each([
  ['<img src="https://x.io/a.png">', true],
  ['<td background=http://x.io/a>', true],
  ['<p style="background: url( \'https://x.io\')">', true],
  ['<a href="https://x.io">', false],
  ['<img src="cid:logo">', false],
])('whether %s has remote images: %s', (html, has) => {
  expect(hasRemoteImages(html)).toBe(has)
})
