import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Digest } from '../oci/digest.ts'
import { MEDIA_TYPES } from '../oci/media-type.ts'
import type { Tag } from '../oci/reference.ts'
import { decidePush, type PushState } from './manifest-push.ts'

const DIGEST = `sha256:${'1'.repeat(64)}` as Digest
const OTHER = `sha256:${'2'.repeat(64)}` as Digest
const V1 = 'v1' as Tag
const V2 = 'v2' as Tag
const ABSENT: PushState = { repository: 'absent', missing: [], mediaType: undefined, tags: new Map() }
const PUSH = { digest: DIGEST, mediaType: MEDIA_TYPES.ociManifest, tags: [], condition: {} }

test('a push is refused for the first of its reasons', () => {
  const state: PushState = {
    repository: 'being-deleted',
    missing: [OTHER],
    mediaType: MEDIA_TYPES.ociIndex,
    tags: new Map([[V1, { digest: OTHER, isHidden: false }]]),
  }
  const push = { ...PUSH, tags: [V1], condition: { ifNoneMatch: '*' } as const }
  const exists = { ...state, repository: 'exists' } as const
  const complete = { ...exists, missing: [] }
  const cases = [
    [state, push, { result: 'repository-deleting' }],
    [exists, push, { result: 'missing', digests: [OTHER] }],
    [complete, push, { result: 'precondition-failed' }],
    [complete, { ...push, condition: {} }, { result: 'other-media-type', mediaType: MEDIA_TYPES.ociIndex }],
  ] as const
  for (const [found, command, refused] of cases) assert.deepEqual(decidePush(found, command), { refused })
})

test('the row of a manifest is new, or stays, or gets a type that a manifest can have', () => {
  for (const [mediaType, manifest] of [
    [undefined, 'new'],
    [MEDIA_TYPES.ociManifest, 'unchanged'],
    ['text/plain', 'retyped'],
  ] as const)
    assert.deepEqual(decidePush({ ...ABSENT, mediaType }, PUSH), { plan: { manifest, moves: [] } })
})

test('each tag that does not point to the manifest yet is moved once, in the order of the command', () => {
  const tags = new Map([
    [V2, { digest: OTHER, isHidden: false }],
    ['same' as Tag, { digest: DIGEST, isHidden: false }],
  ])
  const push = { ...PUSH, tags: [V2, 'same' as Tag, V1, V2] }
  const { plan } = decidePush({ ...ABSENT, repository: 'exists', tags }, push)
  assert.deepEqual(plan?.moves, [
    { tag: V2, move: { removed: undefined, old: OTHER } },
    { tag: V1, move: { removed: undefined, old: undefined } },
  ])
})

test('a hidden tag counts as absent, and its removal is recorded before its new state', () => {
  const tags = new Map([[V1, { digest: DIGEST, isHidden: true }]])
  const state: PushState = { ...ABSENT, repository: 'exists', tags }
  const move = { removed: DIGEST, old: undefined }
  assert.deepEqual(decidePush(state, { ...PUSH, tags: [V1], condition: { ifNoneMatch: '*' } }), {
    plan: { manifest: 'new', moves: [{ tag: V1, move }] },
  })
  assert.deepEqual(decidePush(state, { ...PUSH, tags: [V1], condition: { ifMatch: '*' } }), {
    refused: { result: 'precondition-failed' },
  })
})
