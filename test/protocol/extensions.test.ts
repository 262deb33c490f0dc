import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorCodes, pushBlob } from '../content.ts'
import { startForFile } from './file-server.ts'

const { url } = await startForFile()

await pushBlob(url, 'team/app', 'x')

interface Described {
  name: string
  url: string
  description: string
  endpoints: string[]
}

/** The extensions that are offered at a level: `/v2` or `/v2/<name>`. */
async function discover(level: string): Promise<Described[]> {
  const response = await fetch(`${url}${level}/_oci/ext/discover`)
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), 'application/json')
  const body = (await response.json()) as { extensions: Described[] }
  assert.deepEqual(Object.keys(body), ['extensions'])
  return body.extensions
}

const LEVELS = ['/v2', '/v2/team/app']

test('extensions are discovered at both levels, with name, url, description and endpoints', async () => {
  for (const level of LEVELS) {
    const extensions = await discover(level)
    const oci = extensions.find(({ name }) => name === '_oci')
    assert.deepEqual(oci?.endpoints, ['_oci/ext/discover'])
    for (const extension of extensions) {
      assert.match(extension.name, /^_[a-z0-9]+(?:[._-][a-z0-9]+)*$/)
      assert.ok(URL.canParse(extension.url), extension.url)
      assert.notEqual(extension.description, '')
      assert.ok(extension.endpoints.length > 0)
      assert.equal(new Set(extension.endpoints).size, extension.endpoints.length)
    }
  }
})

test('every endpoint that discovery names is there', async () => {
  for (const level of LEVELS) {
    for (const { name, endpoints } of await discover(level)) {
      for (const endpoint of endpoints) {
        assert.ok(endpoint.startsWith(`${name}/`), endpoint)
        const answer = await fetch(`${url}${level}/${endpoint}`, { method: 'PATCH' })
        assert.equal(answer.status, 405, endpoint)
      }
    }
  }
})

test('HEAD of discovery answers with the headers of GET', async () => {
  for (const level of LEVELS) {
    const target = `${url}${level}/_oci/ext/discover`
    const [head, get] = [await fetch(target, { method: 'HEAD' }), await fetch(target)]
    assert.equal(head.status, 200)
    assert.equal(head.headers.get('content-length'), get.headers.get('content-length'))
    assert.equal(await head.text(), '')
  }
})

test('an extension, component or module that does not exist is EXTENSION_UNKNOWN', async () => {
  const paths = [
    '_nobody/ext/discover',
    '_oci/nothing/discover',
    '_oci/ext/nothing',
    '_OCI/ext/discover',
    '_oci2/ext/x',
  ]
  for (const level of [...LEVELS, '/v2/unknown/app']) {
    for (const path of paths) {
      for (const method of ['GET', 'POST', 'DELETE']) {
        const answer = await fetch(`${url}${level}/${path}`, { method })
        assert.equal(answer.status, 404, path)
        assert.deepEqual(await errorCodes(answer), ['EXTENSION_UNKNOWN'])
      }
    }
  }
})

test('a method that an extension does not answer is 405 with those that it does', async () => {
  for (const level of LEVELS) {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      const refused = await fetch(`${url}${level}/_oci/ext/discover`, { method })
      assert.equal(refused.status, 405)
      assert.equal(refused.headers.get('allow'), 'GET, HEAD')
      assert.deepEqual(await errorCodes(refused), ['UNSUPPORTED'])
    }
  }
})

test('discovery of a repository that is unknown or misnamed is refused', async () => {
  const unknown = await fetch(`${url}/v2/unknown/_oci/ext/discover`)
  assert.equal(unknown.status, 404)
  assert.deepEqual(await errorCodes(unknown), ['NAME_UNKNOWN'])
  const misnamed = await fetch(`${url}/v2/Not_A_Name/_oci/ext/discover`)
  assert.equal(misnamed.status, 400)
  assert.deepEqual(await errorCodes(misnamed), ['NAME_INVALID'])
})

test('a path below an underscore is an extension, whatever its module is called', async () => {
  for (const path of ['_x/tags/list', '_x/manifests/latest', '_x/blobs/uploads']) {
    for (const level of LEVELS) {
      const answer = await fetch(`${url}${level}/${path}`)
      assert.equal(answer.status, 404)
      assert.deepEqual(await errorCodes(answer), ['EXTENSION_UNKNOWN'])
    }
  }
})
