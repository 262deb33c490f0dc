import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatDigest, HASH_ALGORITHMS, hashAlgorithmOf, parseDigest, parseHashAlgorithm } from './digest.ts'
import { RegistryError } from './error.ts'

const HEX = '0123456789abcdef'.repeat(4)

const DIGESTS = [
  `sha256:${HEX}`,
  `sha512:${HEX}${HEX}`,
  `blake3:${HEX}`,
  'a:b',
  'md5:d41d8cd98f00b204e9800998ecf8427e',
  'sha384:abc',
  'multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8',
  'sha256+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564',
  'a.b_c-d+e0:=_-',
  'constructor:abc',
  'hasownproperty:abc',
  `x:${'0'.repeat(253)}`,
]

const NOT_DIGESTS = [
  '',
  ':',
  'a:',
  ':b',
  'a',
  'latest',
  `sha256:${HEX.slice(1)}`,
  `sha256:${HEX}0`,
  `sha256:${HEX.toUpperCase()}`,
  `sha256:${HEX.slice(1)}g`,
  `sha256:${HEX.slice(1)}=`,
  `sha512:${HEX}`,
  `blake3:${HEX}${HEX}`,
  `SHA256:${HEX}`,
  `Sha256:${HEX}`,
  ` sha256:${HEX}`,
  `sha256:${HEX} `,
  `sha256:${HEX}\n`,
  `sha256: ${HEX}`,
  `sha256:${HEX}\0`,
  `sha256::${HEX}`,
  'a:b:c',
  'a:b/c',
  'a:../b',
  'a/b:c',
  'a..b:c',
  'a.:c',
  '.a:c',
  '+a:c',
  'a+:c',
  'a++b:c',
  'a:b%',
  'ä:b',
  'a:ä',
  '__proto__:b',
  `x:${'0'.repeat(254)}`,
  'a'.repeat(40_000),
  `${'a+'.repeat(20_000)}:b`,
  `a:${'b'.repeat(40_000)}`,
]

test('a digest of any algorithm passes when it fits the grammar', () => {
  for (const text of DIGESTS) assert.equal(parseDigest(text), text, text)
})

test('a text that is not a digest is refused', () => {
  for (const text of NOT_DIGESTS)
    assert.equal(parseDigest(text), undefined, JSON.stringify(text.slice(0, 99)))
})

test('a digest that was formatted passes its parser, for each algorithm that is computed', () => {
  for (const [name, length] of Object.entries(HASH_ALGORITHMS)) {
    const algorithm = parseHashAlgorithm(name)
    assert.ok(algorithm !== undefined)
    const digest = formatDigest(algorithm, '0'.repeat(length))
    assert.equal(parseDigest(digest), digest)
    assert.equal(hashAlgorithmOf(digest), algorithm)
  }
})

test('only the names of computed algorithms are algorithms', () => {
  for (const name of ['', 'SHA256', 'sha256 ', 'md5', 'sha1', 'constructor', '__proto__', 'toString']) {
    assert.equal(parseHashAlgorithm(name), undefined, name)
  }
})

test('content of an algorithm that is not computed is refused as DIGEST_UNSUPPORTED', () => {
  for (const text of ['md5:abc', 'sha384:abc', 'sha256+b64u:abc']) {
    const digest = parseDigest(text)
    assert.ok(digest !== undefined)
    assert.throws(
      () => hashAlgorithmOf(digest),
      (error) => error instanceof RegistryError && error.id === 'DIGEST_UNSUPPORTED',
    )
  }
})
