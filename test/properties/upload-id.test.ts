import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SCHEMAS } from '../../src/api/schema.ts'
import { parseRepositoryName, type RepositoryName } from '../../src/oci/reference.ts'
import {
  formatUploadId,
  parseUploadId,
  type UploadClaims,
  uploadIdsBefore,
} from '../../src/registry/upload-id.ts'
import { repositoryNames } from './names.ts'
import { holds } from './property.ts'
import { anyText, near } from './text.ts'

const MAX_TIME = 2 ** 48 - 1

const times = fc.oneof(fc.nat({ max: MAX_TIME }), fc.constantFrom(0, 1, 2 ** 32, MAX_TIME))
const claims: fc.Arbitrary<UploadClaims> = fc.record(
  { startedAt: times, algorithm: fc.constantFrom('sha256', 'sha512', 'blake3') },
  { noNullPrototype: true },
)
const secrets = fc.uint8Array({ minLength: 32, maxLength: 32 })
const randoms = fc.uint8Array({ minLength: 10, maxLength: 10 })
const names = repositoryNames.map((text) => parseRepositoryName(text) as RepositoryName)
const uploads = fc.record({ secret: secrets, name: names, claims, random: randoms }).map((upload) => ({
  ...upload,
  id: formatUploadId(upload.secret, upload.name, upload.claims, upload.random),
}))

test('an id says again what it was made of, and fits the description', () => {
  holds(uploads, ({ secret, name, claims: made, id }) => {
    assert.deepEqual(parseUploadId(secret, name, id), made)
    assert.match(id, new RegExp(SCHEMAS.UploadId.pattern))
  })
})

test('an id is worth nothing in another repository or another registry', () => {
  holds(fc.tuple(uploads, names, secrets), ([{ secret, name, claims: made, id }, otherName, otherSecret]) => {
    assert.deepEqual(parseUploadId(secret, otherName, id), otherName === name ? made : undefined)
    const isSame = Buffer.from(secret).equals(otherSecret)
    assert.deepEqual(parseUploadId(otherSecret, name, id), isSame ? made : undefined)
  })
})

test('an id is invalid if anything in it was changed', () => {
  holds(
    fc.tuple(uploads, fc.nat(), fc.nat({ max: 15 })),
    ([{ secret, name, claims: made, id }, place, digit]) => {
      const at = place % id.length
      const changed = id.slice(0, at) + digit.toString(16) + id.slice(at + 1)
      assert.deepEqual(parseUploadId(secret, name, changed), changed === id ? made : undefined)
      for (const other of [id.slice(1), id.slice(0, -1), `${id}0`, `${id}\n`, id.toUpperCase()])
        if (other !== id) assert.equal(parseUploadId(secret, name, other), undefined)
    },
  )
})

test('no other text is an id', () => {
  const texts = uploads.chain((upload) =>
    fc.oneof(near(fc.constant(upload.id), '0189abf-AF'), anyText).map((text) => ({ ...upload, text })),
  )
  holds(texts, ({ secret, name, claims: made, id, text }) => {
    assert.deepEqual(parseUploadId(secret, name, text), text === id ? made : undefined)
  })
})

test('ids sort by the time of their start, to the millisecond', () => {
  const earlier = fc.oneof(times, fc.constant(undefined))
  holds(
    fc.tuple(uploads, earlier, fc.integer({ min: -2, max: 2 })),
    ([{ claims: made, id }, other, step]) => {
      const time = Math.min(MAX_TIME, Math.max(0, other ?? made.startedAt + step))
      assert.equal(id < uploadIdsBefore(time), made.startedAt < time)
    },
  )
})
