import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf, manifestDescriptor, pushArtifact, pushImage } from '../content.ts'
import { startStowage } from '../stowage.ts'
import { assertRefused, type Refusal, sendRequest } from './refusal.ts'

const NAME_INVALID: Refusal = [400, 'NAME_INVALID']
const ROUTE_UNKNOWN: Refusal = [404, 'UNSUPPORTED']
const ZEROS = `sha256:${'0'.repeat(64)}`

for (const encoded of ['team%2Fapp', 'team%2fapp', 'te%61m%2Fapp']) {
  test(`an image is pushed and pulled by the name ${encoded}, and answers have plain slashes`, async (t) => {
    const { url } = await startStowage(t)
    const begun = await fetch(`${url}/v2/${encoded}/blobs/uploads/`, { method: 'POST' })
    const upload = begun.headers.get('location') ?? ''
    assert.match(upload, /^\/v2\/team\/app\/blobs\/uploads\/[^/]+$/)
    // Clients that encode names encode them in what they make of a Location too.
    const encodedUpload = upload.replace('team/app', encoded)
    const digest = digestOf('a blob')
    const closed = await fetch(`${url}${encodedUpload}?digest=${digest}`, { method: 'PUT', body: 'a blob' })
    assert.equal(closed.status, 201)
    assert.equal(closed.headers.get('location'), `/v2/team/app/blobs/${digest}`)
    assert.equal(await (await fetch(`${url}/v2/${encoded}/blobs/${digest}`)).text(), 'a blob')

    const image = await pushImage(url, encoded, 'v1')
    await pushImage(url, encoded, 'v2')
    for (const name of ['team/app', encoded]) {
      const pulled = await fetch(`${url}/v2/${name}/manifests/v1`)
      assert.equal(pulled.headers.get('docker-content-digest'), image.digest)
    }
    const tags = await fetch(`${url}/v2/${encoded}/tags/list?n=1`)
    assert.deepEqual(await tags.json(), { name: 'team/app', tags: ['v1'] })
    assert.equal(tags.headers.get('link'), '</v2/team/app/tags/list?last=v1&n=1>; rel="next"')
    const catalog = await fetch(`${url}/v2/_catalog`)
    assert.deepEqual(await catalog.json(), { repositories: ['team/app'] })
    assert.equal((await fetch(`${url}/v2/${encoded}/manifests/v1`, { method: 'DELETE' })).status, 202)
    assert.equal((await fetch(`${url}/v2/team/app/manifests/v1`)).status, 404)
  })
}

test('a name with encoded slashes is one for extensions and referrers too', async (t) => {
  const { url } = await startStowage(t)
  const subject = manifestDescriptor(await pushImage(url, 'team/app', 'v1'))
  for (const note of ['one', 'two']) await pushArtifact(url, 'team%2Fapp', { subject, annotations: { note } })
  for (const path of [
    '_oci/ext/discover',
    '_stowage/manifests/list?n=1',
    '_stowage/tags/history?tag=v1',
    '_stowage/changes/list',
    `_stowage/content/locations?digest=${subject.digest}`,
    `referrers/${subject.digest}?n=1`,
  ]) {
    const plain = await fetch(`${url}/v2/team/app/${path}`)
    const encoded = await fetch(`${url}/v2/team%2Fapp/${path}`)
    assert.equal(encoded.status, 200, path)
    for (const name of ['etag', 'link'])
      assert.equal(encoded.headers.get(name), plain.headers.get(name), path)
    assert.equal(await encoded.text(), await plain.text())
  }
  const deleted = await fetch(`${url}/v2/team%2Fapp/_stowage/repository/self`, { method: 'DELETE' })
  assert.equal(deleted.headers.get('location'), '/v2/team/app/_stowage/repository/deletion')
  assert.equal((await fetch(`${url}/v2/team%2Fapp/_stowage/repository/deletion`)).status, 200)
})

test('names may be mounted from by an encoded name, in the path and in the query', async (t) => {
  const { url } = await startStowage(t)
  const blob = digestOf('a blob')
  await fetch(`${url}/v2/team%2Fbase/blobs/uploads/?digest=${blob}`, { method: 'POST', body: 'a blob' })
  const target = `${url}/v2/team%2Fapp/blobs/uploads/?mount=${blob}&from=team%2Fbase`
  const mounted = await fetch(target, { method: 'POST' })
  assert.equal(mounted.status, 201)
  assert.equal(mounted.headers.get('location'), `/v2/team/app/blobs/${blob}`)
})

test('an encoded slash never leads to another endpoint than the path has without it', async (t) => {
  const { url } = await startStowage(t)
  const image = await pushImage(url, 'app', 'v1')
  for (const [path, refusal] of [
    ['app%2Fmanifests%2Fv1', ROUTE_UNKNOWN],
    ['app%2Fmanifests/v1', ROUTE_UNKNOWN],
    ['app/manifests%2Fv1', ROUTE_UNKNOWN],
    ['app%2Ftags%2Flist', ROUTE_UNKNOWN],
    ['app%2Ftags/list', ROUTE_UNKNOWN],
    ['app%2F_stowage%2Fmanifests%2Flist', ROUTE_UNKNOWN],
    ['app%2F_stowage/manifests/list', NAME_INVALID],
    ['app/_stowage%2Fmanifests/list', ROUTE_UNKNOWN],
    ['app/_stowage/manifests%2Flist', ROUTE_UNKNOWN],
    ['%2Fapp/manifests/v1', NAME_INVALID],
    ['app%2F/manifests/v1', NAME_INVALID],
    ['x%2F..%2Fapp/manifests/v1', NAME_INVALID],
    ['x%2f%2e%2e%2fapp/manifests/v1', NAME_INVALID],
    ['app%252Fx/manifests/v1', NAME_INVALID],
    ['app%2Fx%00/manifests/v1', NAME_INVALID],
    ['app%2FX/manifests/v1', NAME_INVALID],
    ['x%c0%afapp/manifests/v1', ROUTE_UNKNOWN],
    [`app/blobs/sha256%2F${'0'.repeat(64)}`, [400, 'DIGEST_INVALID']],
    [`app/referrers/${ZEROS}%2F`, [400, 'DIGEST_INVALID']],
    ['app/_stowage/manifests/list%2F', [404, 'EXTENSION_UNKNOWN']],
    ['_stowage%2Fcontent/locations/x', [404, 'EXTENSION_UNKNOWN']],
  ] as const) {
    assertRefused(await sendRequest(t, url, `GET /v2/${path}`), refusal, path)
  }
  // What looks like an endpoint is just a name.
  for (const name of ['app%2Fblobs%2Fuploads', 'app%2Ftags%2Flist', 'app%2Fmanifests%2Fv1']) {
    const answer = await fetch(`${url}/v2/${name}/manifests/${image.digest}`)
    assert.equal(answer.status, 404, name)
    const pushed = await pushImage(url, name, 'v1')
    const listed = await fetch(`${url}/v2/${decodeURIComponent(name)}/tags/list`)
    assert.deepEqual(await listed.json(), { name: decodeURIComponent(name), tags: ['v1'] }, pushed.digest)
  }
})
