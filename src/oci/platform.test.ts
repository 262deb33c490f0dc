import assert from 'node:assert/strict'
import { test } from 'node:test'
import { matchesPlatform, parsePlatform } from './platform.ts'

test('a platform has two or three parts', () => {
  for (const text of ['linux/amd64', 'linux/arm/v7', 'windows/x86_64'])
    assert.equal(parsePlatform(text), text)
  for (const text of ['', 'linux', 'linux/', '/amd64', 'linux/arm/v7/x', 'linux/a b', 'linux//v7']) {
    assert.throws(() => parsePlatform(text), /must be a platform/, text)
  }
})

test('without a variant each variant is wanted, with one only that', () => {
  assert.ok(matchesPlatform('linux/arm', 'linux/arm'))
  assert.ok(matchesPlatform('linux/arm', 'linux/arm/v7'))
  assert.ok(matchesPlatform('linux/arm/v7', 'linux/arm/v7'))
  assert.ok(!matchesPlatform('linux/arm/v7', 'linux/arm'))
  assert.ok(!matchesPlatform('linux/arm', 'linux/arm64'))
  assert.ok(!matchesPlatform('linux/arm/v7', 'linux/arm/v7/x'))
})
