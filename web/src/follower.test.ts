import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Frame } from './eventStream'
import { Follower, MOST, SILENCE_MS, type Life } from './follower'
import { readEmail } from './record'
import { email, tried } from './testRecords'
import { broken, misplaced, notServed, toTrouble, type Trouble } from './trouble'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

interface Opened {
  ids: string[]
  after: string | null
  signal: AbortSignal
  push: (frame: Partial<Frame>) => Promise<void>
  end: () => Promise<void>
}

/** A wire whose streams and answers the test holds. */
class TestWire {
  readonly opened: Opened[] = []
  readonly read: string[] = []
  refuse: Trouble | null = null
  emails: Record<string, object> = {}
  lives: Record<string, Life[]> = {}
  readonly follower = new Follower(
    {
      open: (asked) => Promise.resolve(this.#open(asked)),
      read: (id) => {
        this.read.push(id)
        const found = this.emails[id]
        return Promise.resolve(
          found ? { email: readEmail(JSON.stringify(found))! } : { trouble: unknown },
        )
      },
    },
    () => 1,
  )

  async follow(id: string): Promise<() => void> {
    const leave = this.follower.follow(id, (life) => (this.lives[id] ??= []).push(life))
    await tick()
    return leave
  }

  life(id: string): Life | undefined {
    return this.lives[id]?.at(-1)
  }

  #open(asked: { ids: string[]; after: string | null; signal: AbortSignal }) {
    const queue: Frame[] = []
    let wake: (() => void) | undefined
    const ended = new AbortController()
    const end = () => {
      ended.abort()
      wake?.()
    }
    asked.signal.addEventListener('abort', end)
    this.opened.push({
      ...asked,
      push: (frame) => {
        queue.push({ id: null, event: 'status', data: '', ...frame })
        wake?.()
        return tick()
      },
      end: () => {
        end()
        return tick()
      },
    })
    if (this.refuse) return { trouble: this.refuse }
    async function* frames() {
      for (;;) {
        yield* queue.splice(0)
        if (ended.signal.aborted) return
        // oxlint-disable-next-line no-await-in-loop
        await new Promise<void>((resolve) => (wake = resolve))
      }
    }
    return { frames: frames() }
  }
}

const unknown = toTrouble(null)
const tick = async (milliseconds = 0): Promise<void> => {
  await vi.advanceTimersByTimeAsync(milliseconds)
}
const sent = (id: string) => JSON.stringify({ id, status: 'sent', provider: 'ses', number: 1 })
const ids = (length: number) => Array.from({ length }, (_, number) => `id-${number}`)

test('one stream, opened anew after its place when an email joins', async () => {
  const wire = new TestWire()
  wire.emails = { a: email('queued'), b: email('queued') }
  await wire.follow('a')
  await wire.opened[0]!.push({ id: '7', event: 'message' })

  await wire.follow('b')

  expect(wire.opened.map(({ ids: asked, after }) => [asked, after])).toEqual([
    [['a'], null],
    [['a', 'b'], '7'],
  ])
  expect(wire.opened[0]!.signal.aborted).toBe(true)
  expect(wire.read).toEqual(['a', 'b'])
})

test('without a place to resume at, everything is read again', async () => {
  const wire = new TestWire()
  wire.emails = { a: email('queued'), b: email('queued') }
  await wire.follow('a')

  await wire.follow('b')

  expect(wire.read).toEqual(['a', 'a', 'b'])
})

test('the stream is closed with the last email that ends, and no timer stays', async () => {
  const wire = new TestWire()
  wire.emails.a = email('queued')
  await wire.follow('a')
  wire.emails.a = email('sent', { attempts: [tried(1)] })

  await wire.opened[0]!.push({ id: '1', data: sent('a') })

  expect(wire.opened[0]!.signal.aborted).toBe(true)
  expect(wire.life('a')).toMatchObject({ record: { status: 'sent', attempts: [{ number: 1 }] } })
  expect(vi.getTimerCount()).toBe(0)
})

test('the stream is closed when nobody follows any more', async () => {
  const wire = new TestWire()
  wire.emails.a = email('queued')
  const leave = await wire.follow('a')

  leave()
  await tick()

  expect(wire.opened[0]!.signal.aborted).toBe(true)
  expect(vi.getTimerCount()).toBe(0)
})

test('a stream that breaks is resumed after its place, and everything is read', async () => {
  const wire = new TestWire()
  wire.emails.a = email('queued')
  await wire.follow('a')
  await wire.opened[0]!.push({ id: '7', event: 'message' })

  await wire.opened[0]!.end()
  expect(wire.life('a')!.note).toBe(broken.sentence)
  await tick(1000)

  expect(wire.opened[1]!.after).toBe('7')
  expect(wire.read).toEqual(['a', 'a'])
  expect(wire.life('a')!.note).toBeNull()
})

test('pauses grow, and end early for a new email', async () => {
  const wire = new TestWire()
  wire.refuse = toTrouble(null)
  await wire.follow('a')
  await tick(1000)
  await tick(1999)
  expect(wire.opened).toHaveLength(2)
  await tick(1)
  expect(wire.opened).toHaveLength(3)

  await wire.follow('b')

  expect(wire.opened).toHaveLength(4)
  await tick(600_000)
  expect(wire.opened.length).toBeLessThan(20)
})

test('the server’s Retry-After is kept', async () => {
  const wire = new TestWire()
  wire.refuse = { ...toTrouble(null), pause: 30 }
  await wire.follow('a')

  await tick(29_999)
  expect(wire.opened).toHaveLength(1)
  await tick(1)
  expect(wire.opened).toHaveLength(2)
})

test('what asking again cannot mend is asked once, and once more for a new email', async () => {
  const wire = new TestWire()
  wire.refuse = notServed
  await wire.follow('a')
  await tick(600_000)
  expect(wire.opened).toHaveLength(1)

  wire.refuse = null
  await wire.follow('b')

  expect(wire.opened[1]!.ids).toEqual(['a', 'b'])
})

test('a place that the ledger does not know is given up', async () => {
  const wire = new TestWire()
  wire.emails.a = email('queued')
  await wire.follow('a')
  await wire.opened[0]!.push({ id: '7', event: 'message' })
  wire.refuse = misplaced
  await wire.opened[0]!.end()
  await tick(1000)

  wire.refuse = null
  await tick(2000)

  expect(wire.opened.map(({ after }) => after)).toEqual([null, '7', null])
})

test('a stream without even a heartbeat counts as broken', async () => {
  const wire = new TestWire()
  wire.emails.a = email('queued')
  await wire.follow('a')
  await tick(SILENCE_MS - 1)
  await wire.opened[0]!.push({ id: '7', event: 'message' })
  await tick(SILENCE_MS - 1)
  expect(wire.opened[0]!.signal.aborted).toBe(false)

  await tick(1)

  expect(wire.opened[0]!.signal.aborted).toBe(true)
  await tick(1000)
  expect(wire.opened).toHaveLength(2)
})

test('the newest are followed, the others wait for their turn', async () => {
  const wire = new TestWire()
  const all = ids(MOST + 1)
  for (const id of all) wire.emails[id] = email('queued')
  await Promise.all(all.map((id) => wire.follow(id)))
  const stream = wire.opened.at(-1)!
  expect(stream.ids).toEqual(all.slice(1))
  expect(wire.life('id-0')!.note).toContain('once fewer emails are under way')

  wire.emails['id-5'] = email('sent', { attempts: [tried(1)] })
  await stream.push({ id: '1', data: sent('id-5') })

  expect(wire.opened.at(-1)!.ids).toEqual(all.filter((id) => id !== 'id-5'))
  expect(wire.life('id-0')!.note).toBeNull()
})

test('an email that is not known yet is looked for again', async () => {
  const wire = new TestWire()
  await wire.follow('a')
  expect(wire.life('a')).toEqual({ record: null, note: unknown.sentence })

  wire.emails.a = email('queued')
  await tick(1000)

  expect(wire.life('a')).toMatchObject({ record: { status: 'queued' }, note: null })
})

test('an end that cannot be read is taken from its event, after three tries', async () => {
  const wire = new TestWire()
  wire.emails.a = email('queued')
  await wire.follow('a')
  wire.emails = {}

  await wire.opened[0]!.push({ id: '1', data: sent('a') })
  await tick(10_000)

  expect(wire.read).toHaveLength(4)
  expect(wire.life('a')).toMatchObject({ record: { status: 'sent' }, note: null })
  expect(wire.opened[0]!.signal.aborted).toBe(true)
})

test('verdicts, events of others and what cannot be read change nothing', async () => {
  const wire = new TestWire()
  wire.emails.a = email('queued')
  await wire.follow('a')
  const before = wire.life('a')

  await wire.opened[0]!.push({ event: 'verdict', data: sent('a') })
  await wire.opened[0]!.push({ data: sent('b') })
  await wire.opened[0]!.push({ data: '<html>' })

  expect(wire.life('a')).toBe(before)
  expect(wire.read).toEqual(['a'])
})
