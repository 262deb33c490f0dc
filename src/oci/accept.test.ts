import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseMediaType } from './accept.ts'

const OFFERED = ['application/vnd.x.list.v1+json', 'application/json', 'application/vnd.y+json'] as const
const [OWN, JSON_TYPE, OTHER] = OFFERED

function chosen(accept: string | undefined): string | undefined {
  return chooseMediaType(accept, [...OFFERED])
}

test('who accepts anything gets the best', () => {
  for (const accept of [
    undefined,
    '',
    '*/*',
    'application/*',
    'text/html, */*;q=0.8',
    ` ${OWN} , ${JSON_TYPE}`,
  ]) {
    assert.equal(chosen(accept), OWN, `${accept}`)
  }
})

test('a client that asks for one type gets that type', () => {
  assert.equal(chosen(JSON_TYPE), JSON_TYPE)
  assert.equal(chosen('Application/JSON; charset=utf-8'), JSON_TYPE)
  assert.equal(chosen(`text/html, ${OTHER}`), OTHER)
})

test('a preferred type wins over a better one, and an exact type over a general one', () => {
  assert.equal(chosen(`${OWN};q=0.5, ${JSON_TYPE}`), JSON_TYPE)
  assert.equal(chosen(`*/*;q=0.5, ${OTHER};q=0.9`), OTHER)
  assert.equal(chosen(`*/*, ${OWN};q=0.1`), JSON_TYPE)
  assert.equal(chosen(`*/*, application/*;q=0, ${OTHER}; v=1; q=0.001`), OTHER)
})

test('who accepts none of it gets nothing', () => {
  for (const accept of [
    'text/html',
    'application/vnd.x.list.v2+json',
    '*/*;q=0',
    `${OWN};q=0.000`,
    'json',
    ',',
  ]) {
    assert.equal(chosen(accept), undefined, accept)
  }
})

test('malformed parts are skipped', () => {
  assert.equal(chosen(`a b/c, /, ${JSON_TYPE}`), JSON_TYPE)
  assert.equal(chosen(`${JSON_TYPE};q=2, ${OTHER};q=0.9`), JSON_TYPE)
})
