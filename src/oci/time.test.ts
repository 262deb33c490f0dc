import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatTime, parseTime } from './time.ts'

test('a time is read with its offset and its fraction', () => {
  for (const [text, expected] of [
    ['1970-01-01T00:00:00Z', 0],
    ['2026-01-31T12:00:00Z', Date.UTC(2026, 0, 31, 12)],
    ['2026-01-31t12:00:00z', Date.UTC(2026, 0, 31, 12)],
    ['2026-01-31T12:00:00.5Z', Date.UTC(2026, 0, 31, 12, 0, 0, 500)],
    ['2026-01-31T12:00:00.123999999Z', Date.UTC(2026, 0, 31, 12, 0, 0, 123)],
    ['2026-01-31T12:00:00+02:30', Date.UTC(2026, 0, 31, 9, 30)],
    ['2026-01-31T12:00:00 02:30', Date.UTC(2026, 0, 31, 9, 30)],
    ['2026-01-31T12:00:00-02:30', Date.UTC(2026, 0, 31, 14, 30)],
    ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
    ['2016-12-31T23:59:60Z', Date.UTC(2017, 0, 1)],
  ] as const) {
    assert.equal(parseTime(text), expected, text)
  }
})

test('a text that is not a time is refused', () => {
  for (const text of [
    '',
    'now',
    '0',
    '2026-01-31',
    '2026-01-31T12:00:00',
    '2026-01-31 12:00:00Z',
    '26-01-31T12:00:00Z',
  ]) {
    assert.throws(() => parseTime(text), /^TextError: must be a time, such as .*, at character 1$/, text)
  }
})

test('a time that does not exist is refused', () => {
  for (const text of [
    '2026-02-30T00:00:00Z',
    '2025-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:60:00Z',
    '2026-01-01T00:00:61Z',
    '2026-01-01T00:00:00+24:00',
    '2026-01-01T00:00:00+00:60',
  ]) {
    assert.throws(() => parseTime(text), /is a time that does not exist/, text)
  }
})

test('a time that is written is read as the same', () => {
  for (const time of [0, 1_700_000_000_123, Date.UTC(9999, 11, 31)])
    assert.equal(parseTime(formatTime(time)), time)
})
