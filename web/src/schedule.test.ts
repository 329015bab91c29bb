import { expect, test } from 'vitest'
import { offset, toInstant, zoneAt } from './schedule'

test('a time on the wall is told in UTC', () => {
  expect(toInstant('2026-07-01T09:30')).toBe(new Date(2026, 6, 1, 9, 30).toISOString())
})

test('what is no time is left to the server', () => {
  expect(toInstant('soon')).toBe('soon')
})

test.each([
  [0, ''],
  [60, '+01:00'],
  [-210, '−03:30'],
])('%d minutes from UTC are %j', (minutes, words) => {
  expect(offset(minutes)).toBe(words)
})

test('the zone has a name and an offset', () => {
  expect(zoneAt('2026-07-01T09:30')).toMatch(/^(UTC|.+, UTC([+−]\d\d:\d\d)?)$/)
})
