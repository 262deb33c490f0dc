import assert from 'node:assert/strict'
import { digestOf, manifestDescriptor, OCI_INDEX, pushArtifact, pushImage } from '../content.ts'

/** Asks for a path of a registry as its clients see it. */
type Ask = (path: string, init?: RequestInit) => Promise<Response>

/**
 * Follows every path that answers of a registry lead to, as a client would that knows it by one URL: uploads, what was pushed, pages of
 * lists, an extension's paths, in headers and in bodies.
 *
 * @param url where clients reach the registry, with the path that stands before `/v2/`
 * @param prefix what each path must begin with
 */
export async function followEveryPath(url: string, prefix: string): Promise<void> {
  const { origin } = new URL(url)
  const ask: Ask = async (path, init) => {
    assert.ok(path.startsWith(`${prefix}/v2/`), path)
    return await fetch(origin + path, { redirect: 'error', ...init })
  }
  await followUpload(url, ask)
  const image = await pushImage(url, 'team/app', 'v1')
  await pushImage(url, 'team/app', 'v2')
  await pushImage(url, 'team/web', 'v1')
  await followManifest(url, ask)
  for (const subject of ['first', 'second']) {
    await pushArtifact(url, 'team/app', { subject: manifestDescriptor(image), annotations: { subject } })
  }
  for (const list of [
    '/v2/team/app/tags/list?n=1',
    '/v2/_catalog?n=1',
    `/v2/team/app/referrers/${image.digest}?n=1`,
    '/v2/team/app/_stowage/manifests/list?n=1',
  ]) {
    await followNextPage(`${url}${list}`, ask)
  }
  await followLocations(url, image.digest, ask)
  await followDeletion(url, ask)
}

async function followUpload(url: string, ask: Ask): Promise<void> {
  const begun = await fetch(`${url}/v2/team/app/blobs/uploads/`, { method: 'POST' })
  assert.equal(begun.status, 202)
  const first = await ask(locationOf(begun), { method: 'PATCH', body: 'some ' })
  assert.equal(first.status, 202)
  const wrong = await ask(locationOf(first), {
    method: 'PATCH',
    body: 'x',
    headers: { 'Content-Range': '9-9' },
  })
  assert.equal(wrong.status, 416)
  const status = await ask(locationOf(wrong))
  assert.equal(`${status.status} ${status.headers.get('range')}`, '204 0-4')
  const closed = await ask(`${locationOf(status)}?digest=${digestOf('some bytes')}`, {
    method: 'PUT',
    body: 'bytes',
  })
  assert.equal(closed.status, 201)
  assert.equal(await (await ask(locationOf(closed))).text(), 'some bytes')
}

async function followManifest(url: string, ask: Ask): Promise<void> {
  const body = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] })
  const headers = { 'Content-Type': OCI_INDEX }
  const pushed = await fetch(`${url}/v2/team/app/manifests/index`, { method: 'PUT', headers, body })
  assert.equal(pushed.status, 201)
  assert.equal(await (await ask(locationOf(pushed))).text(), body)
}

async function followNextPage(list: string, ask: Ask): Promise<void> {
  const first = await fetch(list)
  const next = /^<([^>]+)>; rel="next"$/.exec(first.headers.get('link') ?? '')?.[1]
  assert.ok(next !== undefined, `${list} has no next page`)
  const second = await ask(next)
  assert.equal(second.status, 200, next)
  assert.notEqual(await second.text(), await first.text())
}

async function followLocations(url: string, digest: string, ask: Ask): Promise<void> {
  const found = await fetch(`${url}/v2/_stowage/content/locations?digest=${digest}`)
  const { locations } = (await found.json()) as { locations: { url: string }[] }
  assert.ok(locations.length > 1)
  for (const location of locations) assert.equal((await ask(location.url)).status, 200)
}

async function followDeletion(url: string, ask: Ask): Promise<void> {
  const deleted = await fetch(`${url}/v2/team/web/_stowage/repository/self`, { method: 'DELETE' })
  assert.equal(deleted.status, 202)
  assert.equal((await ask(locationOf(deleted))).status, 200)
}

function locationOf(response: Response): string {
  return response.headers.get('location') ?? ''
}
