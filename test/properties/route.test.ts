import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatRoute, parseRoute, type Route } from '../../src/oci/route.ts'
import { digests, PATH_WORDS, repositoryNames, tags } from './names.ts'
import { holds } from './property.ts'
import { anyText, near } from './text.ts'

/** An extension's names; none begins with an underscore. */
const words = fc.constantFrom('oci', 'ext', 'discover', 'search', 'a.b-c_d', ...PATH_WORDS)

const routes: fc.Arbitrary<Route> = fc
  .record({
    name: repositoryNames,
    digest: digests,
    tag: tags,
    words: fc.tuple(words, words, words),
    upload: words,
  })
  .chain(({ name, digest, tag, words: [extension, component, module], upload }) =>
    fc.constantFrom<Route>(
      { id: 'base', params: {} },
      { id: 'catalog', params: {} },
      { id: 'registryExtension', params: { extension, component, module } },
      { id: 'repositoryExtension', params: { name, extension, component, module } },
      { id: 'uploads', params: { name } },
      { id: 'upload', params: { name, upload } },
      { id: 'blob', params: { name, digest } },
      { id: 'manifest', params: { name, reference: tag } },
      { id: 'manifest', params: { name, reference: digest } },
      { id: 'tags', params: { name } },
      { id: 'referrers', params: { name, digest } },
    ),
  )

const paths = routes.map(({ id, params }) => formatRoute(id, params as never))

/** The paths of the specification's table of endpoints and of its extensions, in the order in which they are tried. */
const PATTERNS: [id: string, pattern: RegExp][] = [
  ['base', /^\/v2$/],
  ['catalog', /^\/v2\/_catalog$/],
  ['registryExtension', /^\/v2\/_(?<extension>[^/]+)\/(?<component>[^/]*)\/(?<module>[^/]*)$/],
  [
    'repositoryExtension',
    /^\/v2\/(?<name>.*)\/_(?<extension>[^/]+)\/(?<component>[^/]*)\/(?<module>[^/]*)$/s,
  ],
  ['uploads', /^\/v2\/(?<name>.*)\/blobs\/uploads$/s],
  ['upload', /^\/v2\/(?<name>.*)\/blobs\/uploads\/(?<upload>[^/]*)$/s],
  ['blob', /^\/v2\/(?<name>.*)\/blobs\/(?<digest>[^/]*)$/s],
  ['manifest', /^\/v2\/(?<name>.*)\/manifests\/(?<reference>[^/]*)$/s],
  ['tags', /^\/v2\/(?<name>.*)\/tags\/list$/s],
  ['referrers', /^\/v2\/(?<name>.*)\/referrers\/(?<digest>[^/]*)$/s],
]

/** Stands in for a segment with an encoded slash, so that it can't be taken for a slash of the path. */
const standIn = (index: number) => `\u{10ffff}${index}\u{10ffff}`

/**
 * Slow but plain: decodes what stands between slashes, drops one slash at the end, and tries each pattern on the whole. A segment with an
 * encoded slash takes no part in that: afterwards it is decoded in a name, and anywhere else as it was sent.
 */
function routeByPattern(path: string): unknown {
  const raw = path.split('/')
  const segments = raw.map(decodeOnce)
  if (!path.startsWith('/') || segments.includes(undefined)) return undefined
  const visible = segments
    .map((segment, index) => (segment?.includes('/') ? standIn(index) : segment))
    .join('/')
  const plain = visible.length > 1 && visible.endsWith('/') ? visible.slice(0, -1) : visible
  for (const [id, pattern] of PATTERNS) {
    const match = pattern.exec(plain)
    const isWhole = Object.entries({ ...match?.groups }).every(
      ([key, value]) => value !== '' || key === 'name',
    )
    if (match === null || !isWhole) continue
    const params = Object.entries({ ...match.groups }).map(([key, value]) => {
      const parts = key === 'name' ? segments : raw
      return [
        key,
        parts.reduce<string>((text, part, index) => text.replace(standIn(index), () => part ?? ''), value),
      ]
    })
    return { id, params: Object.fromEntries(params) }
  }
  return undefined
}

function decodeOnce(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment)
  } catch {
    // Only what can be an escape is one: text without any may be ill-formed as it is.
    return segment.includes('%') ? undefined : segment
  }
}

test('a formatted value is parsed to the same value', () => {
  holds(routes, (route) => {
    assert.deepEqual(parseRoute(formatRoute(route.id, route.params as never)), route)
  })
})

const segments = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...PATH_WORDS, '_catalog', '_oci', '_', 'a', 'latest') },
  {
    weight: 2,
    arbitrary: fc.constantFrom('', '.', '..', '%2e%2e', '%2F', 'a%2fb', '%5Fx', '%25', '%', '%zz', '%ff'),
  },
  { weight: 1, arbitrary: anyText },
)

test('a path is an endpoint exactly if one of the table has its form, however it is broken into segments', () => {
  const any = fc.oneof(
    fc.array(segments, { maxLength: 8 }).map((parts) => `/v2/${parts.join('/')}`),
    fc.array(segments, { maxLength: 8 }).map((parts) => parts.join('/')),
    near(paths, '/_%25Fav:.'),
  )
  holds(any, (path) => assert.deepEqual(parseRoute(path), routeByPattern(path)))
})

test('a path means the same when any of its characters but the slashes are percent-encoded', () => {
  holds(fc.tuple(routes, fc.infiniteStream(fc.nat({ max: 3 }))), ([route, choices]) => {
    const plain = formatRoute(route.id, route.params as never)
    const encoded = [...plain].map((character) => {
      const hex = character.charCodeAt(0).toString(16)
      const [choice] = choices.take(1)
      if (character === '/' || choice === 0) return character
      return `%${choice === 1 ? hex.toUpperCase() : hex}`
    })
    assert.deepEqual(parseRoute(encoded.join('')), route)
  })
})

test('a name may be percent-encoded as a whole, and leads where it leads with its slashes', () => {
  holds(routes, (route) => {
    if (!('name' in route.params)) return
    const { name } = route.params
    const encoded = formatRoute(route.id, { ...route.params, name: encodeURIComponent(name) } as never)
    assert.deepEqual(parseRoute(encoded), route)
    assert.deepEqual(parseRoute(encoded.replaceAll('%2F', '%2f')), route)
  })
})

test('nothing is decoded twice', () => {
  holds(
    fc.tuple(
      repositoryNames,
      anyText.filter((text) => text !== '' && text.isWellFormed()),
    ),
    ([name, text]) => {
      const reference = encodeURIComponent(text)
      const route = parseRoute(`/v2/${name}/manifests/${encodeURIComponent(reference)}`)
      assert.deepEqual(route, { id: 'manifest', params: { name, reference } })
    },
  )
})
