import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Digest } from '../oci/digest.ts'
import type { Tag } from '../oci/reference.ts'
import { judgeRemoval, judgeUndelete, removeTags } from './manifest-removal.ts'

const [ONE, TWO] = ['sha256:1', 'sha256:2'] as Digest[]

test('a manifest is removed if it exists and no other one needs it', () => {
  assert.deepEqual(judgeRemoval({ isThere: false, neededBy: undefined }), { result: 'unknown' })
  assert.deepEqual(judgeRemoval({ isThere: true, neededBy: ONE }), { result: 'needed', by: ONE })
  assert.equal(judgeRemoval({ isThere: true, neededBy: undefined }), undefined)
})

test('up to 500 tags are removed with their manifest, and more of them are hidden', () => {
  const tags = Array.from({ length: 501 }, (_, index) => `v${index}` as Tag)
  assert.equal(removeTags(tags), 'hide')
  assert.deepEqual(removeTags(tags.slice(1)), tags.slice(1))
  assert.deepEqual(removeTags([]), [])
})

test('an undelete reports missing content before too many manifests', () => {
  assert.deepEqual(judgeUndelete({ missing: [ONE as Digest], first: [TWO as Digest] }), {
    result: 'missing',
    digests: [ONE],
  })
  assert.deepEqual(judgeUndelete({ missing: [], first: [TWO as Digest] }), {
    result: 'tombstones-below',
    digests: [TWO],
  })
  assert.equal(judgeUndelete({ missing: [], first: undefined }), undefined)
})
