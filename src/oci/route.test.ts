import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseReference, parseRepositoryName } from './reference.ts'
import { formatRoute, parseRoute, ROUTES, type RouteId } from './route.ts'

const DIGEST = `sha256:${'0'.repeat(64)}`

/** Names that are made of what routes are made of. */
const NAMES = [
  'a',
  'a/b',
  'blobs',
  'a/blobs',
  'uploads',
  'blobs/uploads',
  'a/blobs/uploads',
  'manifests',
  'a/manifests',
  'manifests/latest',
  'tags',
  'list',
  'tags/list',
  'a/tags/list',
  'referrers',
  'a/referrers',
  'v2',
  'v2/a/manifests',
  'a/blobs/uploads/manifests/tags/list/referrers/blobs',
]

const UPLOADS = ['0'.repeat(64), 'uploads', 'blobs', 'list', 'manifests']
const REFERENCES = ['latest', DIGEST, 'list', 'uploads', 'tags', 'manifests', 'referrers', '_']
/** None that would make the path of an extension read as that of another endpoint: `_x/manifests/y` is taken for a manifest. */
const MODULES = ['ext', 'discover', 'list', 'history', 'tags', 'uploads', 'a.b_c-d']

function assertInverse<Id extends RouteId>(id: Id, params: Parameters<typeof formatRoute<Id>>[1]): void {
  const path = formatRoute(id, params)
  assert.deepEqual(parseRoute(path), { id, params }, path)
}

test('a formatted path is parsed to the same values, whatever the name of the repository', () => {
  assertInverse('base', {})
  assertInverse('catalog', {})
  for (const name of NAMES) {
    assertInverse('uploads', { name })
    assertInverse('tags', { name })
    assertInverse('blob', { name, digest: DIGEST })
    assertInverse('referrers', { name, digest: DIGEST })
    for (const upload of UPLOADS) assertInverse('upload', { name, upload })
    for (const reference of REFERENCES) assertInverse('manifest', { name, reference })
  }
})

test('a formatted path of an extension is parsed to the same values, whatever the names of its modules', () => {
  for (const component of MODULES) {
    for (const module of MODULES.filter((name) => component !== 'tags' || name !== 'list')) {
      const params = { extension: 'oci', component, module }
      assertInverse('registryExtension', params)
      for (const name of NAMES) assertInverse('repositoryExtension', { name, ...params })
    }
  }
})

test('each route is written as the specification writes it', () => {
  for (const path of Object.values(ROUTES)) assert.match(path, /^\/v2\/(?:[a-z_:]+\/?)*$/)
})

const PATHS: [path: string, id: RouteId | undefined, params?: object][] = [
  ['/v2', 'base', {}],
  ['/v2/', 'base', {}],
  ['/v2/_catalog', 'catalog', {}],
  ['/v2/_catalog/', 'catalog', {}],
  ['/v2/a/blobs/uploads', 'uploads', { name: 'a' }],
  ['/v2/a/blobs/uploads/', 'uploads', { name: 'a' }],
  ['/v2/a/tags/list/', 'tags', { name: 'a' }],
  ['/v2/a/manifests/v1', 'manifest', { name: 'a', reference: 'v1' }],
  ['/v2/a/blobs/sha256%3Aabc', 'blob', { name: 'a', digest: 'sha256:abc' }],
  ['/v2/a/blobs/sha256%3aabc', 'blob', { name: 'a', digest: 'sha256:abc' }],
  ['/v2/a/%6Danifests/v1', 'manifest', { name: 'a', reference: 'v1' }],
  ['/v2/a/manifests/v%31', 'manifest', { name: 'a', reference: 'v1' }],
  ['/v2/_oci/ext/discover', 'registryExtension', { extension: 'oci', component: 'ext', module: 'discover' }],
  ['/v2/a%2Fb/manifests/v1', 'manifest', { name: 'a/b', reference: 'v1' }],
  ['/v2/a%2fb/c%2Fd/tags/list', 'tags', { name: 'a/b/c/d' }],
  ['/v2/a%2Fb/blobs/uploads/', 'uploads', { name: 'a/b' }],
  ['/v2/a%2Fb/_x/y/z', 'repositoryExtension', { name: 'a/b', extension: 'x', component: 'y', module: 'z' }],
  // A slash that was encoded is part of the name, whatever other endpoint it would lead to.
  ['/v2/a%2Fblobs%2Fuploads/tags/list', 'tags', { name: 'a/blobs/uploads' }],
  ['/v2/a%2Fmanifests/blobs/uploads/', 'uploads', { name: 'a/manifests' }],
  ['/v2/a%2F_x%2Fy%2Fz/tags/list', 'tags', { name: 'a/_x/y/z' }],
  ['/v2/a%2Ftags%2Flist', undefined],
  ['/v2/a%2Ftags/list', undefined],
  ['/v2/a%2Fblobs/uploads/', undefined],
  ['/v2/a%2Fmanifests/v1', undefined],
  ['/v2/a/blobs/uploads%2Fx', 'blob', { name: 'a', digest: 'uploads%2Fx' }],
  ['/v2/a/manifests/v1%2Fx', 'manifest', { name: 'a', reference: 'v1%2Fx' }],
  ['/v2/a/_x/y/z%2Fz', 'repositoryExtension', { name: 'a', extension: 'x', component: 'y', module: 'z%2Fz' }],
  ['/v2/a/_x%2Fy/z/z', 'repositoryExtension', { name: 'a', extension: 'x%2Fy', component: 'z', module: 'z' }],
  ['/v2/_x%2Fy/z', undefined],
  ['/v2/%2F_x/y/z', undefined],
  ['/v2/a%2Fb%c0%af/tags/list', undefined],
  ['/v2/a%252Fb/tags/list', 'tags', { name: 'a%2Fb' }],
  ['', undefined],
  ['/', undefined],
  ['*', undefined],
  ['v2/', undefined],
  ['//', undefined],
  ['//v2/', undefined],
  ['/v2//', undefined],
  ['/v1/', undefined],
  ['/V2/', undefined],
  ['/v2/a', undefined],
  ['/v2/_', undefined],
  ['/v2/_/a/b', undefined],
  ['/v2/_oci/ext', undefined],
  ['/v2/_oci/ext/discover/x', undefined],
  ['/v2/a/manifests', undefined],
  ['/v2/a/manifests/', undefined],
  ['/v2/a/blobs/', undefined],
  ['/v2/a/tags', undefined],
  ['/v2/a/tags/lists', undefined],
  ['/v2/a/referrers/', undefined],
  ['/v2/manifests/latest', undefined],
  ['/v2/tags/list', undefined],
  ['/v2/blobs/uploads/', undefined],
  ['/v2/a/manifests/%', undefined],
  ['/v2/a/manifests/%f', undefined],
  ['/v2/a/manifests/%zz', undefined],
  ['/v2/a/manifests/%ff', undefined],
  ['/v2/a/manifests/%c0%af', undefined],
  ['/v2/a/manifests/%ed%a0%80', undefined],
  ['/livez', undefined],
]

test('a path is an endpoint or it is not', () => {
  for (const [path, id, params] of PATHS) {
    assert.deepEqual(parseRoute(path), id && { id, params }, JSON.stringify(path))
  }
})

const HOSTILE_NAMES = [
  '..',
  'a/..',
  '../a',
  'a/../b',
  '.',
  '%2e%2e',
  '%2E%2E/a',
  'a/%2e%2e/b',
  'a%2F',
  '%2Fa',
  'a%2F%2Fb',
  'a/%2F/b',
  'a%2F..%2Fb',
  'a%2F.',
  'a%2f%00',
  'a%2FB',
  'a%2F_b',
  'a%252Fb',
  'a%25252Fb',
  'a%5Cb',
  'a\\b',
  'a%00',
  'a\0b',
  '%00',
  'a%0Ab',
  'a%20b',
  ' ',
  '',
  '/',
  'a/',
  '/a',
  'a//b',
  'A',
  '%41',
  'a%25',
  '_a',
  '%5Fcatalog',
  'a;x=y',
  'a%3Fb',
  'a%23b',
  'ａ',
  '%EF%BD%81',
]

test('an invalid name reaches no endpoint, or its parser refuses it', () => {
  for (const name of HOSTILE_NAMES) {
    for (const end of ['blobs/uploads/', 'blobs/uploads/u', `blobs/${DIGEST}`, 'manifests/v1', 'tags/list']) {
      const params: { name?: string } = parseRoute(`/v2/${name}/${end}`)?.params ?? {}
      assert.equal(params.name === undefined ? undefined : parseRepositoryName(params.name), undefined, name)
    }
  }
})

test('an invalid reference reaches no endpoint, or its parser refuses it', () => {
  for (const text of [
    '..',
    '.',
    '%2e%2e',
    'a%2Fb',
    'a%252Fb',
    'v1%00',
    'v1%0A',
    '%20',
    '-',
    'a%3A',
    'sha256%3Aab%2F',
  ]) {
    const route = parseRoute(`/v2/a/manifests/${text}`)
    const reference = route?.id === 'manifest' ? route.params.reference : ''
    assert.equal(parseReference(reference), undefined, text)
  }
})

test('an encoded slash never makes two segments of one', () => {
  for (const path of ['/v2%2F', '/v2/a/tags%2Flist', '/v2/a/blobs%2Fuploads/', '/v2%2Fa/tags/list']) {
    assert.equal(parseRoute(path), undefined, path)
  }
})

test('hostile paths of 40,000 characters do not hang', () => {
  const parts = [
    '/',
    'a/',
    '%',
    '%25',
    'a%2F',
    '%2e%2e/',
    'blobs/uploads/',
    'manifests/',
    '_/',
    'a',
    'tags/list/',
    '_a/b/c/',
  ]
  for (const part of parts) {
    const long = part.repeat(Math.ceil(40_000 / part.length))
    for (const path of [`/v2/${long}`, `/v2/${long}/manifests/v1`, `/v2/a/manifests/${long}`, `/${long}`]) {
      const params: { name?: string } = parseRoute(path)?.params ?? {}
      if (params.name !== undefined && params.name.length > 255) {
        assert.equal(parseRepositoryName(params.name), undefined)
      }
    }
  }
})
