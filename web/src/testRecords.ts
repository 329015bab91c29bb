/** For tests: what `GET /email/{id}` answers, with defaults. */

export function email(status: string, changes: Record<string, unknown> = {}) {
  return {
    id: 'a',
    status,
    queuedAt: '2026-01-31T12:00:00.000Z',
    updatedAt: '2026-01-31T12:00:00.250Z',
    from: 'ann@example.com',
    to: 'ben@example.com',
    provider: status === 'queued' ? null : 'ses',
    code: null,
    detail: null,
    attempts: [] as Record<string, unknown>[],
    ...changes,
  }
}

export function tried(number: number, changes: Record<string, unknown> = {}) {
  return {
    number,
    provider: 'ses',
    outcome: 'accepted' as string | null,
    code: null,
    message: null,
    providerMessageId: null,
    startedAt: '2026-01-31T12:00:00.150Z',
    durationMs: 100 as number | null,
    possibleDuplicate: false,
    ...changes,
  }
}
