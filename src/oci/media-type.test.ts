import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isForeignLayer, MEDIA_TYPES, parseMediaType } from './media-type.ts'

const TYPES: [text: string, type: string | undefined][] = [
  ['text/plain', 'text/plain'],
  ['text/plain; charset=utf-8', 'text/plain'],
  ['text/plain;charset=utf-8;x="a;b"', 'text/plain'],
  [' text/plain ', 'text/plain'],
  ['Text/Plain', 'Text/Plain'],
  ['a/b', 'a/b'],
  ['0/0!#$&^_.+-', '0/0!#$&^_.+-'],
  [`${'a'.repeat(127)}/${'b'.repeat(127)}`, `${'a'.repeat(127)}/${'b'.repeat(127)}`],
  ['', undefined],
  [';', undefined],
  ['text', undefined],
  ['text/', undefined],
  ['/plain', undefined],
  ['/', undefined],
  ['text/plain/x', undefined],
  ['text /plain', undefined],
  ['text/ plain', undefined],
  ['text/pl ain', undefined],
  ['text/plain, text/html', undefined],
  ['*/*', undefined],
  ['text/*', undefined],
  ['.a/b', undefined],
  ['a/+json', undefined],
  ['a/b\0', undefined],
  ['a/b\nX-Header: y', undefined],
  ['a/b\r\n', undefined],
  ['a/b\u00a0; charset=utf-8', undefined],
  ['\ufeffa/b', undefined],
  ['\ta/b\t ; charset=utf-8', 'a/b'],
  ['ä/b', undefined],
  [`${'a'.repeat(128)}/b`, undefined],
  [`a/${'b'.repeat(128)}`, undefined],
  [`a/${'b'.repeat(40_000)}`, undefined],
  [';'.repeat(40_000), undefined],
]

test('a media type is read as it was written, without its parameters', () => {
  for (const [text, type] of TYPES)
    assert.equal(parseMediaType(text), type, JSON.stringify(text.slice(0, 99)))
})

test('each media type that is named is one', () => {
  for (const type of Object.values(MEDIA_TYPES)) assert.equal(parseMediaType(type), type)
})

test('layers that may be stored elsewhere are recognized by their type', () => {
  for (const type of [
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    'application/vnd.docker.image.rootfs.foreign.diff.tar',
    'application/vnd.oci.image.layer.nondistributable.v1.tar',
    'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
    'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
  ]) {
    assert.equal(isForeignLayer(type), true, type)
  }
  for (const type of [
    '',
    'application/vnd.oci.image.layer.v1.tar+gzip',
    'application/vnd.docker.image.rootfs.diff.tar.gzip',
    'x/application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    'application/vnd.oci.image.layer.nondistributableXv1.tar',
  ]) {
    assert.equal(isForeignLayer(type), false, type)
  }
})
