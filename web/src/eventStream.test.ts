import { expect, test } from 'vitest'
import { frames, type Frame } from './eventStream'

async function read(...chunks: (string | Uint8Array)[]): Promise<Frame[]> {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) {
        controller.enqueue(typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk)
      }
      controller.close()
    },
  })
  const found: Frame[] = []
  for await (const frame of frames(body)) found.push(frame)
  return found
}

const text = ': hello\nretry: 2000\nid: 6\n\nevent: status\nid: 7\ndata: {"a":\ndata: "é"}\n\n'
const expected = [
  { id: '6', event: 'message', data: '' },
  { id: '7', event: 'status', data: '{"a":\n"é"}' },
]

test('comments, ids, names and data of several lines', async () => {
  expect(await read(text)).toEqual(expected)
})

test.each(['\r\n', '\r', '\n'])('lines end with %j, and chunks anywhere', async (end) => {
  const bytes = new TextEncoder().encode(text.replaceAll('\n', end))

  expect(await read(...Array.from(bytes, (byte) => Uint8Array.of(byte)), 'x')).toEqual(expected)
})

test('a block that the end cuts off is dropped', async () => {
  expect(await read('id: 1\n\nevent: status\nid: 2\nda')).toEqual([
    { id: '1', event: 'message', data: '' },
  ])
})

test('only the first space of a value is dropped, and a name alone has an empty one', async () => {
  expect(await read('data:  x\ndata\ndata:y:z\n\n')).toEqual([
    { id: null, event: 'message', data: ' x\n\ny:z' },
  ])
})
