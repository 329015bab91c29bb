/** Reads `text/event-stream` as it arrives, as the HTML standard says. Pure, apart from waiting. */

export interface Frame {
  /** Where to resume; null where the block has none. */
  id: string | null
  event: string
  /** Empty in a heartbeat, which a browser would not hand on as an event. */
  data: string
}

/** Frames of a body, until it ends. A block that the end cuts off is dropped. */
export async function* frames(body: ReadableStream<Uint8Array>): AsyncGenerator<Frame> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let pending = ''
  try {
    for (;;) {
      // One chunk after the other is what a stream is.
      // oxlint-disable-next-line no-await-in-loop
      const { done, value } = await reader.read()
      if (done) return
      pending += decoder.decode(value, { stream: true })
      // A lone CR at the end may be half of a CRLF.
      const ready = pending.endsWith('\r') ? pending.length - 1 : pending.length
      const blocks = pending.slice(0, ready).replaceAll(/\r\n?/g, '\n').split('\n\n')
      pending = blocks.pop() + pending.slice(ready)
      yield* blocks.map(toFrame)
    }
  } finally {
    reader.cancel().catch(() => {})
  }
}

function toFrame(block: string): Frame {
  const frame: Frame = { id: null, event: 'message', data: '' }
  const data: string[] = []
  for (const line of block.split('\n')) {
    const [name, value] = splitLine(line)
    if (name === 'data') data.push(value)
    else if (name === 'event') frame.event = value
    else if (name === 'id') frame.id = value
  }
  return { ...frame, data: data.join('\n') }
}

function splitLine(line: string): [string, string] {
  const colon = line.indexOf(':')
  if (colon === -1) return [line, '']
  return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')]
}
