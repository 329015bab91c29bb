/** Times as a person chooses them, on the clock on the wall. Pure, apart from the zone. */

/** The value of a `datetime-local` field in UTC; what is no time stays, for the server to judge. */
export function toInstant(local: string): string {
  const time = new Date(local)
  return Number.isNaN(time.getTime()) ? local : time.toISOString()
}

/** `Europe/Berlin, UTC+01:00`, as it is at that time; now for none. */
export function zoneAt(local: string): string {
  const time = local ? new Date(local) : new Date()
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions()
  const minutes = -(Number.isNaN(time.getTime()) ? new Date() : time).getTimezoneOffset()
  return timeZone === 'UTC' ? timeZone : `${timeZone}, UTC${offset(minutes)}`
}

/** `+01:00` for 60 minutes; empty for none. */
export function offset(minutes: number): string {
  if (minutes === 0) return ''
  const size = Math.abs(minutes)
  return `${minutes < 0 ? '−' : '+'}${two(size / 60)}:${two(size % 60)}`
}

function two(number: number): string {
  return String(Math.trunc(number)).padStart(2, '0')
}
