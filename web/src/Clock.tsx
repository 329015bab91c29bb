const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' })

/** A time of day. */
export function Clock({ at }: { at: number }) {
  const time = new Date(at)
  return <time dateTime={time.toISOString()}>{clock.format(time)}</time>
}
