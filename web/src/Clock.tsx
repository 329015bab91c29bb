const ofDay = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' })
const ofAnyDay = new Intl.DateTimeFormat(undefined, { dateStyle: 'short', timeStyle: 'medium' })
const openedOn = new Date().toDateString()

/** A time of day, with its date where that is not the day on which the page was opened. */
export function Clock({ at }: { at: number }) {
  const time = new Date(at)
  const format = time.toDateString() === openedOn ? ofDay : ofAnyDay
  return <time dateTime={time.toISOString()}>{format.format(time)}</time>
}
