import { expect, test } from 'vitest'
import { ApiKey } from './apiKey'

const api = 'https://api.example.com'

function fresh() {
  window.sessionStorage.clear()
  return new ApiKey(api, window.sessionStorage)
}

test('a key is kept for the tab and for this API only', () => {
  fresh().give(' gm_secret\n')

  expect(new ApiKey(api, window.sessionStorage).current).toBe('gm_secret')
  expect(new ApiKey('https://other.example.com', window.sessionStorage).current).toBeNull()
})

test('whoever needs a key waits for the same answer', async () => {
  const key = fresh()
  const told: unknown[] = []
  key.watch((access) => told.push(access))

  const answers = [key.other(null), key.other(null)]
  key.give('gm_secret')

  expect(await Promise.all(answers)).toEqual(['gm_secret', 'gm_secret'])
  expect(told).toEqual([
    { held: false, asking: 'wanted' },
    { held: true, asking: null },
  ])
})

test('nobody is asked where there is a newer key already', async () => {
  const key = fresh()
  key.give('gm_new')

  expect(await key.other('gm_old')).toBe('gm_new')
  expect(key.access.asking).toBeNull()
})

test('a key that was refused is dropped and another one asked for', () => {
  const key = fresh()
  key.give('gm_old')

  void key.other('gm_old')

  expect(key.access).toEqual({ held: false, asking: 'refused' })
  expect(window.sessionStorage).toHaveLength(0)
})

test('whoever has no key ends the waiting', async () => {
  const key = fresh()
  const answer = key.other(null)

  key.decline()

  expect(await answer).toBeNull()
  expect(key.access).toEqual({ held: false, asking: null })
})

test.each(['', '  ', 'two words', 'gm_ü', 'a\nb'])('%j is no key', (text) => {
  const key = fresh()
  void key.other(null)

  key.give(text)

  expect(key.access).toEqual({ held: false, asking: 'refused' })
})

test('where the browser gives no storage the key lasts as long as the page', () => {
  const key = new ApiKey(api, null)
  key.give('gm_secret')

  expect(key.current).toBe('gm_secret')
})
