/**
 * The API key of this tab: asked for when the API wants one, kept until the tab closes or the person
 * forgets it. It goes into one header of requests to the API, never into an address or the store.
 */

/** What is shown of it. */
export interface Access {
  /** There is a key. */
  held: boolean
  /** Why a key is asked for just now; null where none is. */
  asking: 'wanted' | 'refused' | null
}

export const noAccess: Access = { held: false, asking: null }

interface Question {
  answered: Promise<string | null>
  answer: (key: string | null) => void
}

export class ApiKey {
  readonly #storage: Storage | null
  readonly #place: string
  #tell: (access: Access) => void = () => {}
  #question: Question | null = null
  #refused = false
  #current: string | null

  /** @param storage of the tab; null where the browser gives none: then it lasts as long as the page. */
  constructor(apiBase: string, storage: Storage | null) {
    this.#storage = storage
    // Not to be shown to another API that is configured here later.
    this.#place = `gomail-key ${apiBase}`
    this.#current = storage?.getItem(this.#place) ?? null
  }

  get current(): string | null {
    return this.#current
  }

  get access(): Access {
    const why = this.#refused ? 'refused' : 'wanted'
    return { held: this.#current !== null, asking: this.#question && why }
  }

  /** Calls with each change. */
  watch(tell: (access: Access) => void): void {
    this.#tell = tell
  }

  /**
   * A key in place of one that the API did not take, or of none. All who need one wait for the same
   * answer of the person; null: there is none.
   */
  other(used: string | null): Promise<string | null> {
    if (this.#current !== null && this.#current !== used) return Promise.resolve(this.#current)
    if (this.#question === null) {
      this.#question = question()
      this.#set(null, used !== null)
    }
    return this.#question.answered
  }

  /** The person's answer. What no header can hold is no key. */
  give(text: string): void {
    const key = text.trim()
    if (/^[!-~]+$/.test(key)) this.#answer(key)
    else this.#set(null, true)
  }

  /** The person has none just now. */
  decline(): void {
    this.#answer(null)
  }

  forget(): void {
    this.#set(null, false)
  }

  #answer(key: string | null): void {
    const asked = this.#question
    this.#question = null
    this.#set(key, false)
    asked?.answer(key)
  }

  #set(key: string | null, refused: boolean): void {
    this.#current = key
    this.#refused = refused
    if (key === null) this.#storage?.removeItem(this.#place)
    else this.#storage?.setItem(this.#place, key)
    this.#tell(this.access)
  }
}

/** The storage of this tab; null where the browser keeps it from the page. */
export function tabStorage(): Storage | null {
  try {
    return window.sessionStorage
  } catch {
    return null
  }
}

function question(): Question {
  const asked = { answer: ignore, answered: Promise.resolve<string | null>(null) }
  asked.answered = new Promise((resolve) => {
    asked.answer = resolve
  })
  return asked
}

const ignore: Question['answer'] = () => {}
