import { expect, test } from 'vitest'
import { toEmailTrouble, toTrouble } from './trouble'

const answer = (status: number, text: string, retryAfter: string | null = null) => ({
  status,
  retryAfter,
  text,
})
const base = (sentence: string) => JSON.stringify({ errors: { base: sentence } })

test.each([
  [answer(403, base('Only clients on this machine may read this')), /^No live status: Only clients/],
  [answer(403, '<html>'), /does not show it/],
  [answer(503, base('No ledger is configured; set ledger.url')), /No ledger is configured/],
  [answer(404, base('Not Found')), /this server has none/],
  [answer(200, '<html>'), /this server has none/],
])('asking again does not help after %o', (given, sentence) => {
  const trouble = toTrouble(given)

  expect(trouble).toMatchObject({ again: false })
  expect(trouble.sentence).toMatch(sentence)
})

test.each([
  [null, 0],
  [answer(503, base('The ledger is not available just now'), '5'), 5],
  [answer(503, '<html>'), 0],
  [answer(502, '<html>'), 0],
  [answer(429, base('Slow down'), '60'), 60],
  [answer(422, base('after is not one that this API gave out')), 0],
  [answer(500, base('Internal server error'), 'tomorrow'), 0],
])('asking again may help after %o', (given, pause) => {
  expect(toTrouble(given)).toMatchObject({ again: true, pause })
})

test('an email that is not there yet may come', () => {
  expect(toEmailTrouble(answer(404, base('There is no email with this id')))).toMatchObject({
    again: true,
  })
})
