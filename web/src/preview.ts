/** The document in which HTML is shown: it can run nothing and, unless allowed, load nothing. Pure. */

import type { Attachment } from './attachments'

/**
 * For the `srcdoc` of a frame with an empty `sandbox`, which has no scripts, forms or pop-ups and an
 * origin of its own. The policy goes first, so that it holds for all that follows.
 *
 * @param images content ids, and each image as a `data:` address.
 */
export function previewDocument(
  html: string,
  { images, remoteImages }: { images: ReadonlyMap<string, string>; remoteImages: boolean },
): string {
  const sources = remoteImages ? 'data: https:' : 'data:'
  return [
    '<!doctype html><meta charset="utf-8">',
    '<meta http-equiv="Content-Security-Policy" content="',
    `default-src 'none'; style-src 'unsafe-inline'; img-src ${sources}">`,
    '<meta name="referrer" content="no-referrer"><meta name="color-scheme" content="light">',
    // A link wants a new window, which the sandbox does not give.
    '<base target="_blank">',
    html.replaceAll(/\bcid:([\w.@+-]+)/g, (whole, id: string) => images.get(id) ?? whole),
  ].join('')
}

/** The inline images that the HTML names. */
export function namedImages(html: string, attachments: readonly Attachment[]): Attachment[] {
  return attachments.filter(({ contentId }) => contentId && html.includes(`cid:${contentId}`))
}

/** Whether a switch for remote images would change anything. */
export function hasRemoteImages(html: string): boolean {
  return /\b(src|srcset|background)\s*=\s*["']?\s*https?:|url\(\s*["']?\s*https?:/i.test(html)
}
