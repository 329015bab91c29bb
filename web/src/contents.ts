/** Reads files. The browser does it beside the page, which stays awake. */

/** The file as `data:type;base64,…`; rejects where it can no longer be read. */
export function dataUrl(file: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.addEventListener('load', () => resolve(String(reader.result)))
    reader.addEventListener('error', () => reject(reader.error ?? new Error('unreadable')))
    reader.readAsDataURL(file)
  })
}

export async function base64(file: Blob): Promise<string> {
  const url = await dataUrl(file)
  return url.slice(url.indexOf(',') + 1)
}
