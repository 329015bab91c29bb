/**
 * The settings of a deployment, read from `config.json` beside the page before anything is shown,
 * so that the same files serve from the API or from a CDN.
 */

import { MOST_BYTES } from './attachments'

export interface Config {
  /** Address of the API without a trailing slash. */
  apiBase: string
  /** Of all attachments of an email together: what the API takes. */
  maxAttachmentBytes: number
  /** Where the sandbox shows its mailbox; null outside a sandbox. */
  sandboxMailbox: string | null
}

/** `config.json` is there and cannot be used. The message is a sentence for the page. */
export class ConfigError extends Error {}

export async function loadConfig(fetch: typeof globalThis.fetch, page: string): Promise<Config> {
  const response = await fetch(new URL('config.json', page), { cache: 'no-cache' }).catch(() => {
    throw new ConfigError('config.json could not be fetched. Check your connection, then reload.')
  })
  const isPage = response.headers.get('content-type')?.startsWith('text/html')
  // A server that answers every unknown path with its index page means "missing", too.
  if (response.status === 404 || (response.ok && isPage)) return toConfig({}, page)
  if (!response.ok) {
    throw new ConfigError(`config.json was answered with status ${response.status}. Reload later.`)
  }
  const settings: unknown = await response.json().catch(() => {
    throw new ConfigError('config.json is not valid JSON. Correct it, then reload.')
  })
  return toConfig(settings, page)
}

function toConfig(settings: unknown, page: string): Config {
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings)) {
    throw new ConfigError('config.json must be an object, such as {"apiBase": ""}.')
  }
  const { apiBase, maxAttachmentBytes, sandboxMailbox } = settings as Record<string, unknown>
  return {
    apiBase: (address('apiBase', apiBase, page) ?? new URL(page).origin).replace(/\/+$/, ''),
    maxAttachmentBytes: bytes('maxAttachmentBytes', maxAttachmentBytes) ?? MOST_BYTES,
    sandboxMailbox: address('sandboxMailbox', sandboxMailbox, page),
  }
}

function address(key: string, value: unknown, page: string): string | null {
  if (value === undefined || value === null || value === '') return null
  if (typeof value === 'string' && URL.canParse(value, page)) {
    const url = new URL(value, page)
    if (url.protocol === 'http:' || url.protocol === 'https:') return url.href
  }
  throw new ConfigError(
    `${key} in config.json must be an http address, such as "https://api.example.com".`,
  )
}

function bytes(key: string, value: unknown): number | null {
  if (value === undefined || value === null) return null
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new ConfigError(`${key} in config.json must be a number of bytes, such as 10485760.`)
}
