import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Parameter, queryReader } from '../../src/api/parameter.ts'
import {
  contentDigestParameter,
  pushedTagsParameter,
  specifiedLimitParameter,
} from '../../src/api/parameters.ts'
import { parsePath } from '../../src/api/path.ts'
import { parseDigest } from '../../src/oci/digest.ts'
import { type ErrorId, RegistryError } from '../../src/oci/error.ts'
import { parseReference, parseRepositoryName, parseTag } from '../../src/oci/reference.ts'
import type { Route } from '../../src/oci/route.ts'
import { digests, repositoryNames, tags } from './names.ts'
import { holds } from './property.ts'
import { anyText, near, textOf } from './text.ts'

/** The value, or the one error that is documented. */
function outcome<T>(read: () => T, ids: ErrorId[]): { value: T } | ErrorId {
  try {
    return { value: read() }
  } catch (error) {
    assert.ok(error instanceof RegistryError && ids.includes(error.id), String(error))
    assert.ok(JSON.stringify(error.details).length < 1_000)
    return error.id
  }
}

/** Reads a parameter that is given with these values. */
function read<P extends Parameter<unknown>>(parameter: P, values: string[]) {
  const query = new URLSearchParams(values.map((value): [string, string] => ['it', value]))
  return queryReader({ it: parameter })({ query }).it
}

test('the number of a page is one exactly if it is made of digits, and never above the maximum', () => {
  const texts = fc.oneof(near(textOf('0123456789', 1, 6), '0123456789-+. e'), textOf('0123456789', 1, 400))
  holds(
    fc.tuple(fc.array(fc.oneof(texts, fc.constant('')), { maxLength: 2 }), fc.nat({ max: 20_000 })),
    ([values, maximum]) => {
      const found = outcome(() => read(specifiedLimitParameter(maximum), values), ['PARAMETER_INVALID'])
      const [given] = values
      if (given === undefined) return assert.deepEqual(found, { value: undefined })
      const first = given.toWellFormed() || String(maximum)
      if (!/^[0-9]+$/.test(first)) return assert.equal(found, 'PARAMETER_INVALID')
      const wanted = BigInt(first) > BigInt(maximum) ? maximum : Number(first)
      assert.deepEqual(found, { value: wanted })
    },
  )
})

test('one digest may be given, as often as a client likes', () => {
  const values = fc.oneof(near(digests, 'af0:+-'), digests)
  holds(fc.tuple(fc.array(values, { maxLength: 2 }), fc.nat({ max: 2 })), ([list, times]) => {
    const all = list.flatMap((value) => Array<string>(times + 1).fill(value.toWellFormed()))
    const found = outcome(() => read(contentDigestParameter(''), all), ['DIGEST_INVALID'])
    const [first, ...others] = new Set(all)
    if (first === undefined) return assert.deepEqual(found, { value: undefined })
    const digest = others.length === 0 ? parseDigest(first) : undefined
    assert.deepEqual(found, digest === undefined ? 'DIGEST_INVALID' : { value: digest })
  })
})

test('several tags may be given, each counts once, and an invalid one refuses all', () => {
  holds(fc.array(fc.oneof(tags, near(tags, 'a_.-:')), { maxLength: 4 }), (list) => {
    const sent = list.map((value) => value.toWellFormed())
    const found = outcome(() => read(pushedTagsParameter(''), sent), ['TAG_INVALID'])
    const areTags = sent.every((value) => parseTag(value) !== undefined)
    assert.deepEqual(found, areTags ? { value: [...new Set(sent)] } : 'TAG_INVALID')
  })
})

/** Parses the parameters of a path. */
function valuesOf(params: object, method: string): object {
  return parsePath({ id: 'manifest', params } as Route, method).values
}

test('parameters of a path pass exactly if each passes its own parser, and each is refused with its own error', () => {
  const texts = (valid: fc.Arbitrary<string>) =>
    fc.option(fc.oneof(valid, near(valid, 'a0:/._-')), { nil: undefined })
  const paths = fc.record({
    name: texts(repositoryNames),
    digest: texts(digests),
    reference: texts(fc.oneof(tags, digests)),
  })
  holds(fc.tuple(paths, fc.constantFrom('GET', 'HEAD', 'PUT', 'DELETE', 'POST')), ([given, method]) => {
    const isRead = method === 'GET' || method === 'HEAD'
    const params = Object.fromEntries(
      Object.entries(given).filter(([, value]) => value !== undefined),
    ) as Record<string, string>
    const { name, digest, reference } = given
    const found = outcome(
      () => valuesOf(params, method),
      ['NAME_INVALID', 'DIGEST_INVALID', 'TAG_INVALID', 'MANIFEST_UNKNOWN'],
    )
    const wrong = [
      name !== undefined && parseRepositoryName(name) === undefined && 'NAME_INVALID',
      digest !== undefined && parseDigest(digest) === undefined && 'DIGEST_INVALID',
      reference !== undefined &&
        parseReference(reference) === undefined &&
        (reference.includes(':') ? 'DIGEST_INVALID' : isRead ? 'MANIFEST_UNKNOWN' : 'TAG_INVALID'),
    ].find((id) => id !== false)
    if (wrong !== undefined) return assert.equal(found, wrong)
    const read = reference === undefined ? undefined : parseReference(reference)
    assert.deepEqual(found, { value: { ...params, ...(read && { reference: read }) } })
  })
})

test('parameters that have no grammar pass as they are', () => {
  holds(fc.dictionary(fc.constantFrom('upload', 'extension', 'component', 'module'), anyText), (params) => {
    assert.deepEqual(valuesOf(params, 'GET'), { ...params })
  })
})
