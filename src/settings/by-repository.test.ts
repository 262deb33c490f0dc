import assert from 'node:assert/strict'
import { test } from 'node:test'
import { byRepository, repositoryValues } from './by-repository.ts'
import { InvalidValue } from './form.ts'
import { TIME_KEPT } from './time.ts'

const DAY = 86_400_000
const form = byRepository(TIME_KEPT, '7d')

function daysOf(text: string, repository: string): number {
  return repositoryValues(form.parse(text))(repository) / DAY
}

test('the first pattern that matches a repository gives its value', () => {
  const text = 'mirror/keep/**=never,mirror/**=1d, **/test = 2d,30d'
  assert.equal(daysOf(text, 'mirror/alpine'), 1)
  assert.equal(daysOf(text, 'mirror/test'), 1)
  assert.ok(daysOf(text, 'mirror/keep/alpine') > 1_000_000)
  assert.equal(daysOf(text, 'team/test'), 2)
  assert.equal(daysOf(text, 'team/app'), 30)
})

test('without a value for all other repositories, they have the default', () => {
  assert.equal(daysOf('mirror/**=1d', 'mirror/alpine'), 1)
  assert.equal(daysOf('mirror/**=1d', 'app'), 7)
})

test('a value without a pattern is for all repositories', () => {
  assert.equal(daysOf('3d', 'app'), 3)
  assert.deepEqual(form.parse('3d').rules, [])
})

test('100 patterns are the most', () => {
  const rules = Array.from({ length: 100 }, (_, index) => `team-${index}/**=${index}d`)
  assert.equal(daysOf([...rules, '3d'].join(), 'team-99/app'), 99)
  assert.throws(() => form.parse([...rules, 'one/more=1d', '3d'].join()), InvalidValue)
  assert.throws(() => form.parse([...rules, 'one/more=1d'].join()), /can have at most 100 patterns/)
})
