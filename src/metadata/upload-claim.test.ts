import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RepositoryName } from '../oci/reference.ts'
import { judgeClaim, judgeEnd, judgeSeizure } from './upload-claim.ts'

const repository = 'app' as RepositoryName
const other = 'other' as RepositoryName
const free = { repository, version: 3 }
const held = { ...free, lease: { token: 'mine', until: 1 } }

test('a claim holds by the lease, or by the version while nobody holds the upload', () => {
  const cases = [
    [undefined, { version: 0 }, 'held'],
    [undefined, { version: 1 }, 'unknown'],
    [undefined, { lease: 'mine' }, 'unknown'],
    ['ended', { version: 0 }, 'unknown'],
    [free, { version: 3 }, 'held'],
    [free, { version: 2 }, 'changed'],
    [free, { lease: 'mine' }, 'changed'],
    [held, { version: 3 }, 'changed'],
    [held, { lease: 'mine' }, 'held'],
    [held, { lease: 'lost' }, 'changed'],
  ] as const
  for (const [found, claim, expected] of cases)
    assert.equal(judgeClaim(found, { repository, claim }), expected)
  assert.equal(judgeClaim(free, { repository: other, claim: { version: 3 } }), 'unknown')
})

test('an upload is seized whoever holds it, unless it has ended or belongs to another repository', () => {
  for (const found of [undefined, free, held]) assert.equal(judgeSeizure(found, repository), 'free')
  assert.equal(judgeSeizure('ended', repository), 'unknown')
  assert.equal(judgeSeizure(held, other), 'unknown')
})

test('an upload is ended whoever holds it, or with a lease only by its holder', () => {
  for (const found of [undefined, free, held]) assert.equal(judgeEnd(found, { repository }), 'free')
  assert.equal(judgeEnd('ended', { repository }), 'unknown')
  assert.equal(judgeEnd(held, { repository: other }), 'unknown')
  assert.equal(judgeEnd(held, { repository, lease: 'mine' }), 'free')
  for (const found of [undefined, free, { ...held, lease: { token: 'newer', until: 1 } }])
    assert.equal(judgeEnd(found, { repository, lease: 'mine' }), 'changed')
})
