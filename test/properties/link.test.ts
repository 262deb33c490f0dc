import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ProbeAnswer } from '../../src/conformance/exchange.ts'
import { parseLink } from '../../src/conformance/list.ts'
import { formatNextLink } from '../../src/oci/link.ts'
import { repositoryNames } from './names.ts'
import { holds } from './property.ts'
import { anyText, near, optionalSpace, textOf } from './text.ts'

/** What a client of ours makes of the header; undefined if it refuses it. */
function readLink(header: string): string | undefined {
  try {
    return parseLink({ headers: new Headers({ Link: header }) } as unknown as ProbeAnswer)
  } catch (error) {
    assert.equal((error as Error).name, 'Failure')
    return undefined
  }
}

const values = fc.oneof(
  anyText.filter((text) => text.isWellFormed()),
  textOf('<>";,=&?#%/\\ ab', 0, 10),
)
const parameters = fc.array(
  fc.tuple(fc.constantFrom('n', 'last', 'artifactType'), fc.option(values, { nil: undefined })),
  { maxLength: 5 },
)

test('what a link says of the next page, a client reads back, whatever the parameters hold', () => {
  holds(fc.tuple(repositoryNames, parameters), ([name, wanted]) => {
    const path = `/v2/${name}/tags/list`
    const link = formatNextLink(path, wanted)
    assert.match(link, /^[\x21-\x7e]+; rel="next"$/)
    const target = new URL(readLink(link) ?? '', 'http://registry.test')
    assert.equal(target.pathname, path)
    assert.deepEqual(
      [...target.searchParams],
      wanted.filter(([, value]) => value !== undefined),
    )
  })
})

interface LinkValue {
  target: string
  rel: string | undefined
  before: [name: string, value: string][]
  after: [name: string, value: string][]
}

const relations = fc.constantFrom(
  'next',
  'NEXT',
  'prev',
  'first',
  'nextpage',
  'next last',
  'prev next',
  'x-next',
  '',
)
const attributes = fc.array(
  fc.tuple(fc.constantFrom('title', 'type', 'hreflang', 'x'), textOf('abc<>;,="\\ next', 0, 8)),
  { maxLength: 2 },
)
const linkValues: fc.Arbitrary<LinkValue> = fc.record({
  target: textOf('/v2abc?n=1&last%2C,;:"', 0, 12).map((text) => text.replaceAll('"', "'")),
  rel: fc.option(relations, { nil: undefined }),
  before: attributes,
  after: fc.array(
    fc.oneof(
      fc.tuple(fc.constant('rel'), relations),
      attributes.map((list) => list[0] ?? (['x', ''] as [string, string])),
    ),
    { maxLength: 2 },
  ),
})

function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

/** RFC 8288, section 3, with white space wherever it may stand. */
function format({ target, rel, before, after }: LinkValue, space: () => string): string {
  const list: [string, string][] = [
    ...before,
    ...(rel === undefined ? [] : [['rel', rel] as [string, string]]),
    ...after,
  ]
  const attributes = list.map(([name, value]) => {
    const isToken = /^[a-z]+$/i.test(value) && space() === ''
    return `${space()};${space()}${name}${space()}=${space()}${isToken ? value : quote(value)}`
  })
  return `<${target}>${attributes.join('')}`
}

/** Of several relations in one link only the first counts. */
function relationOf({ rel, after }: LinkValue): string {
  return rel ?? after.find(([name]) => name === 'rel')?.[1] ?? ''
}

test('of any links, the first to the next page is found', () => {
  const links = fc.array(linkValues, { minLength: 1, maxLength: 3 })
  holds(fc.tuple(links, fc.infiniteStream(optionalSpace)), ([list, spaces]) => {
    const space = () => [...spaces.take(1)].join('')
    const header = list.map((value) => format(value, space)).join(`${space()},${space()}`)
    const next = list.find((value) => relationOf(value).toLowerCase().split(' ').includes('next'))
    assert.equal(readLink(header), next?.target, header)
  })
})

test('whatever the header, there is a target without spaces and brackets, or none', () => {
  const links = fc.tuple(linkValues, optionalSpace).map(([value, space]) => format(value, () => space))
  const latin = near(links, '<>;,="\\ relnext').filter((text) => !/[^\t\x20-\xff]/.test(text))
  holds(latin, (header) => {
    const target = readLink(header)
    if (target === undefined) return
    assert.ok(header.includes(`<${target}>`))
    assert.doesNotMatch(target, /[<>\s]/)
    assert.match(header.replaceAll('\\', ''), /next/i)
  })
})
