/**
 * Follows emails to their end over one stream of events for all of them.
 *
 * The stream is opened anew when there is an email that it does not tell of, after the last place
 * it told; so nothing is missed. It is closed when every email has ended. An event shows at once
 * what became of an email; then the whole of it is read, as it is once for each connection.
 */

import type { Frame } from './eventStream'
import {
  afterEvent,
  afterReading,
  hasEnded,
  readEvent,
  type EmailRecord,
  type StatusEvent,
} from './record'
import { broken, misplaced, waiting, type Trouble } from './trouble'

/** What is known of an email. */
export interface Life {
  record: EmailRecord | null
  /** Why there is no more, as a sentence. */
  note: string | null
}

export const nothingKnown: Life = { record: null, note: null }

/** The two requests that a follower makes. */
export interface Wire {
  open(asked: {
    ids: string[]
    after: string | null
    signal: AbortSignal
  }): Promise<{ frames: AsyncIterable<Frame> } | { trouble: Trouble }>
  read(id: string): Promise<{ email: EmailRecord } | { trouble: Trouble }>
}

/** The API takes 100 ids; the rest of an address is kept for what stands before them. */
export const MOST = 50
/** The API sends a heartbeat after 15 s of silence. */
export const SILENCE_MS = 45_000
/** A stream that stood this long is not one that keeps failing. */
const STOOD_MS = 10_000
const LONGEST_PAUSE_MS = 60_000
/** Readings of an ended email that may fail before the event's word is enough. */
const LAST_READINGS = 3

interface Followed {
  id: string
  tell: (life: Life) => void
  record: EmailRecord | null
  trouble: Trouble | null
  /** The whole of it was read over this stream or one that this stream resumed. */
  wasRead: boolean
  reading: boolean
  readAgain: boolean
  failures: number
  timer: ReturnType<typeof setTimeout> | undefined
}

interface Line {
  tellsOf: Set<string>
  hangUp: AbortController
}

const CHANGED = 'changed'

export class Follower {
  readonly #wire: Wire
  readonly #random: () => number
  /** Oldest first. */
  readonly #followed = new Map<string, Followed>()
  #line: Line | null = null
  #place: string | null = null
  #running = false
  #endPause: (() => void) | null = null

  constructor(wire: Wire, random: () => number = Math.random) {
    this.#wire = wire
    this.#random = random
  }

  /** Tells what becomes of an email until it has ended; the answer is how to leave earlier. */
  follow(id: string, tell: (life: Life) => void): () => void {
    const one: Followed = {
      id,
      tell,
      record: null,
      trouble: null,
      wasRead: false,
      reading: false,
      readAgain: false,
      failures: 0,
      timer: undefined,
    }
    this.#followed.set(id, one)
    this.#endPause?.()
    if (this.#running) this.#review()
    else void this.#run()
    return () => this.#leave(one)
  }

  #leave(one: Followed): void {
    clearTimeout(one.timer)
    if (this.#followed.get(one.id) !== one) return
    this.#followed.delete(one.id)
    if (this.#followed.size === 0) this.#endPause?.()
    this.#review()
  }

  /** Ends a stream that tells of too few emails, or that nobody needs any more. */
  #review(): void {
    const wanted = this.#wanted()
    const line = this.#line
    if (line && (wanted.length === 0 || wanted.some(({ id }) => !line.tellsOf.has(id)))) {
      line.hangUp.abort(CHANGED)
    }
  }

  /** The newest, as many as one stream may tell of. */
  #wanted(): Followed[] {
    return [...this.#followed.values()].slice(-MOST)
  }

  async #run(): Promise<void> {
    this.#running = true
    let failures = 0
    for (let wanted = this.#wanted(); wanted.length > 0; wanted = this.#wanted()) {
      const began = Date.now()
      // One stream after the other: that there is only one is the purpose.
      // oxlint-disable-next-line no-await-in-loop
      const trouble = await this.#listen(wanted)
      if (trouble === CHANGED) continue
      failures = Date.now() - began >= STOOD_MS ? 1 : failures + 1
      for (const one of this.#followed.values()) {
        one.wasRead = false
        this.#note(one, trouble)
      }
      if (!trouble.again) break
      // oxlint-disable-next-line no-await-in-loop
      await this.#pause(this.#backoff(failures, trouble.pause))
    }
    this.#running = false
    this.#place = null
  }

  /** One stream, to its end: why it ended. */
  async #listen(wanted: Followed[]): Promise<Trouble | typeof CHANGED> {
    const hangUp = new AbortController()
    const ids = wanted.map(({ id }) => id)
    this.#line = { tellsOf: new Set(ids), hangUp }
    const silence = new Alarm(SILENCE_MS, () => hangUp.abort())
    try {
      const opened = await this.#wire.open({ ids, after: this.#place, signal: hangUp.signal })
      if ('trouble' in opened) {
        if (opened.trouble === misplaced) this.#place = null
        return this.#why(hangUp, opened.trouble)
      }
      this.#greet(wanted)
      for await (const frame of opened.frames) {
        if (hangUp.signal.aborted) break
        silence.reset()
        this.#take(frame)
      }
    } catch {
      // A stream that breaks and one that ends mean the same.
    } finally {
      silence.off()
      this.#line = null
    }
    return this.#why(hangUp, broken)
  }

  #why(hangUp: AbortController, trouble: Trouble): Trouble | typeof CHANGED {
    return hangUp.signal.reason === CHANGED ? CHANGED : trouble
  }

  /** Reads what happened before the stream stood; what it resumes needs no reading. */
  #greet(wanted: Followed[]): void {
    const others = new Set(this.#followed.values())
    for (const one of wanted) {
      others.delete(one)
      if (one.wasRead && this.#place !== null) continue
      one.wasRead = true
      this.#note(one, null)
      void this.#read(one)
    }
    for (const one of others) {
      one.wasRead = false
      this.#note(one, waiting)
    }
  }

  #take(frame: Frame): void {
    if (frame.id !== null) this.#place = frame.id
    if (frame.event !== 'status') return
    const event = readEvent(frame.data)
    const one = event && this.#followed.get(event.id)
    if (one) this.#hear(one, event)
  }

  #hear(one: Followed, event: StatusEvent): void {
    const record = afterEvent(one.record, event)
    if (record === one.record) return
    this.#know(one, record)
    void this.#read(one)
  }

  /** One request at a time for an email, and one more if something happened meanwhile. */
  async #read(one: Followed): Promise<void> {
    one.readAgain = one.reading
    if (one.reading) return
    clearTimeout(one.timer)
    one.reading = true
    const answer = await this.#wire.read(one.id)
    one.reading = false
    if (this.#followed.get(one.id) !== one) return
    if ('email' in answer) {
      one.failures = 0
      this.#know(one, afterReading(one.record, answer.email))
      if (hasEnded(answer.email)) return this.#leave(one)
      if (one.readAgain) return this.#read(one)
    } else {
      this.#readingFailed(one, answer.trouble)
    }
  }

  #readingFailed(one: Followed, trouble: Trouble): void {
    one.failures += 1
    if (one.record === null || !trouble.again) this.#note(one, trouble)
    if (hasEnded(one.record) && (one.failures >= LAST_READINGS || !trouble.again)) {
      this.#leave(one)
    } else if (trouble.again) {
      one.timer = setTimeout(() => void this.#read(one), this.#backoff(one.failures, trouble.pause))
    }
  }

  #know(one: Followed, record: EmailRecord): void {
    one.record = record
    one.trouble = null
    this.#tell(one)
  }

  #note(one: Followed, trouble: Trouble | null): void {
    one.trouble = trouble
    this.#tell(one)
  }

  #tell({ tell, record, trouble }: Followed): void {
    tell({ record, note: hasEnded(record) ? null : (trouble?.sentence ?? null) })
  }

  /** 0.5 to 1 s, doubled with each failure; never sooner than the server asks. */
  #backoff(failures: number, asked: number): number {
    const bound = Math.min(LONGEST_PAUSE_MS, 1000 * 2 ** (failures - 1))
    return Math.max(bound * (0.5 + this.#random() / 2), Math.min(asked * 1000, LONGEST_PAUSE_MS))
  }

  /** Ends early when somebody comes or goes. */
  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        this.#endPause = null
        resolve()
      }
      const timer = setTimeout(end, milliseconds)
      this.#endPause = end
    })
  }
}

/** Calls once nobody has reset it for a time. */
class Alarm {
  readonly #milliseconds: number
  readonly #ring: () => void
  #timer: ReturnType<typeof setTimeout>

  constructor(milliseconds: number, ring: () => void) {
    this.#milliseconds = milliseconds
    this.#ring = ring
    this.#timer = setTimeout(ring, milliseconds)
  }

  reset(): void {
    this.off()
    this.#timer = setTimeout(this.#ring, this.#milliseconds)
  }

  off(): void {
    clearTimeout(this.#timer)
  }
}
