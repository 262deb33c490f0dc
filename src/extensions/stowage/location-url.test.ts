import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLocationUrl } from './location-url.ts'

test('absolute URLs of any protocol are locations', () => {
  for (const url of [
    'https://mirror.example/v2/app/blobs/sha256:00',
    'http://127.0.0.1:5000/x?y=z#part',
    'http://[::1]:8080/x',
    'ipfs://bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi',
    'oci+dat://00ff',
    'S3://bucket/a%20key',
    `https://mirror.example/${'x'.repeat(2000)}`,
  ]) {
    assert.ok(isLocationUrl(url), url)
  }
})

test('a URL that a client cannot or should not follow is not a location', () => {
  for (const text of [
    undefined,
    7,
    '',
    'mirror.example/x',
    '/v2/app/blobs/x',
    '//mirror.example/x',
    'https:mirror.example',
    'https://',
    'https:///x',
    'javascript:alert(1)',
    'data:text/plain,x',
    'file:///etc/passwd',
    'FILE://host/etc/passwd',
    'unix:///run/x.sock',
    'https://user@mirror.example/x',
    'https://user:password@mirror.example/x',
    'https://user%40x@mirror.example',
    'https://mirror.example\\@evil.example/x',
    'https://mirror.example/a b',
    'https://mirror.example/a\nb',
    'https://mirror.example/<script>',
    'https://mirror.example/"x"',
    'https://mirrör.example/x',
    '1https://mirror.example/x',
    `https://mirror.example/${'x'.repeat(2048)}`,
  ]) {
    assert.equal(isLocationUrl(text), false, String(text))
  }
})

test('text that is made to be hard to match is refused at once', () => {
  const hostile = `https://${'a:'.repeat(1000)}@`
  assert.equal(isLocationUrl(hostile), false)
})
