import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { allowsRange, isNotModified, requireMatch, tagCondition } from '../../src/api/precondition.ts'
import type { HttpRequest } from '../../src/http/message.ts'
import { RegistryError } from '../../src/oci/error.ts'
import { digests, knownDigests } from './names.ts'
import { holds } from './property.ts'
import { near, optionalSpace, textOf } from './text.ts'

interface EntityTag {
  weak: boolean
  value: string
}

/** RFC 9110, section 8.8.3: any visible character but the quote may stand in one, the comma too. */
const opaque = fc.oneof(
  digests,
  textOf("!#,*W/;=\\'ab", 0, 8),
  knownDigests.map((digest) => `x,${digest}`),
  knownDigests.map((digest) => `${digest},`),
)
const entityTags: fc.Arbitrary<EntityTag> = fc.record({ weak: fc.boolean(), value: opaque })

function format(list: EntityTag[], spaces: Iterator<string>): string {
  const space = () => spaces.next().value ?? ''
  return list.map(({ weak, value }) => `${space()}${weak ? 'W/' : ''}"${value}"${space()}`).join(',')
}

/** A request that has these headers and nothing else. */
function requestWith(headers: Readonly<Record<string, string>>): HttpRequest {
  return {
    method: 'GET',
    path: '/',
    query: new URLSearchParams(),
    header: (name) => headers[name],
    origin: { address: undefined, scheme: 'http', host: '', prefix: '', requestId: '' },
    signal: new AbortController().signal,
    body: (async function* () {})(),
  }
}

function matches(header: string, digest: string): boolean {
  try {
    requireMatch(requestWith({ 'if-match': header }), digest)
    return true
  } catch (error) {
    assert.ok(error instanceof RegistryError && error.id === 'PRECONDITION_FAILED', String(error))
    return false
  }
}

const lists = fc
  .tuple(fc.array(entityTags, { minLength: 1, maxLength: 4 }), fc.infiniteStream(optionalSpace))
  .map(([list, spaces]) => ({ list, header: format(list, spaces[Symbol.iterator]()) }))

test('If-None-Match finds a digest by the weak comparison, If-Match by the strong one', () => {
  holds(fc.tuple(lists, knownDigests, fc.nat()), ([{ list, header }, other, index]) => {
    for (const digest of [list[index % list.length]?.value ?? other, other]) {
      const named = list.filter(({ value }) => value === digest)
      assert.equal(isNotModified(requestWith({ 'if-none-match': header }), digest), named.length > 0)
      assert.equal(
        matches(header, digest),
        named.some(({ weak }) => !weak),
      )
    }
  })
})

test('no digest inside of another entity tag counts', () => {
  holds(fc.tuple(knownDigests, textOf(',ab ', 1, 3), textOf(',ab ', 0, 3)), ([digest, before, after]) => {
    const header = `"${before}${digest}${after}"`
    assert.equal(isNotModified(requestWith({ 'if-none-match': header }), digest), false)
    assert.equal(matches(header, digest), false)
  })
})

test('what a write asks of a tag is what its headers list', () => {
  holds(fc.tuple(lists, lists), ([match, noneMatch]) => {
    const request = requestWith({ 'if-match': match.header, 'if-none-match': noneMatch.header })
    const strong = match.list.filter(({ weak }) => !weak)
    assert.deepEqual(tagCondition(request), {
      ifMatch: strong.map(({ value }) => value),
      ifNoneMatch: noneMatch.list.map(({ value }) => value),
    })
  })
})

test('a star stands for anything, a header that is absent asks nothing', () => {
  holds(fc.tuple(optionalSpace, knownDigests), ([space, digest]) => {
    const header = `${space}*${space}`
    assert.deepEqual(tagCondition(requestWith({ 'if-match': header, 'if-none-match': header })), {
      ifMatch: '*',
      ifNoneMatch: '*',
    })
    assert.ok(matches(header, digest) && isNotModified(requestWith({ 'if-none-match': header }), digest))
    assert.deepEqual(tagCondition(requestWith({})), {})
    assert.equal(isNotModified(requestWith({}), digest), false)
  })
})

test('If-Range lets a part be sent only for this content, named strongly', () => {
  const headers = fc.oneof(
    lists.map(({ header }) => header),
    fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
  )
  holds(fc.tuple(headers, knownDigests), ([header, digest]) => {
    assert.equal(allowsRange(requestWith({ 'if-range': header }), digest), header.trim() === `"${digest}"`)
    for (const own of [`"${digest}"`, ` "${digest}"\t`])
      assert.ok(allowsRange(requestWith({ 'if-range': own }), digest))
    for (const other of [`W/"${digest}"`, digest, `"${digest}", "x"`, '*', ''])
      assert.ok(!allowsRange(requestWith({ 'if-range': other }), digest))
  })
})

test('any header is compared with a digest without failing, and matches only a digest that it contains', () => {
  holds(
    fc.tuple(
      near(
        lists.map(({ header }) => header),
        '"*,W/ \\ab:',
      ),
      knownDigests,
    ),
    ([header, digest]) => {
      const request = requestWith({ 'if-match': header, 'if-none-match': header, 'if-range': header })
      const isStar = header.trim() === '*'
      assert.equal(isNotModified(request, digest), isStar || header.includes(digest))
      assert.equal(matches(header, digest), isStar || header.includes(digest))
      assert.equal(allowsRange(request, digest), false)
    },
  )
})
