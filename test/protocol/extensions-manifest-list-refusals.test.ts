import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorCodes, pushImage } from '../content.ts'
import { startForFile } from './file-server.ts'
import { nextOf } from './pages.ts'

const { url } = await startForFile()

function listUrl(name: string, query = ''): string {
  return `${url}/v2/${name}/_stowage/manifests/list${query}`
}

test('a cursor of another order is refused', async () => {
  const name = 'list/cursors'
  for (let count = 0; count < 2; count++) await pushImage(url, name)
  const next = nextOf(await fetch(listUrl(name, '?n=1&sort=size')))
  assert.ok(next !== undefined)
  next.searchParams.set('sort', '-size')
  const refused = await fetch(next)
  assert.equal(refused.status, 400)
  assert.match(
    await refused.text(),
    /belongs to a different list or order \(manifests:size, not manifests:-size\)/,
  )
})

test('a wrong parameter is refused with its name and the reason', async () => {
  await pushImage(url, 'list/bad', 'v1')
  for (const [query, message] of [
    ['n=0', '"n" must be a whole number, at least 1'],
    ['sort=name', '"sort" is "name", not one of pushed, -pushed, pulled'],
    ['fields=all', '"fields" is "all", not one of pulledAt'],
    ['tag=v[1', '"tag" has a "[" without a closing "]", at character 2'],
    ['untagged=false', '"untagged" is "false", not one of true'],
    ['artifactType=', '"artifactType" is empty'],
    ['annotation==x', '"annotation" has no key'],
    ['labelSelector=a%20in%20b', '"labelSelector" has "b" where "(" is expected, at character 6'],
    ['subject=latest', '"subject" is "latest", not <algorithm>:'],
    ['platform=linux', '"platform" must be a platform'],
    ['pushedBefore=yesterday', '"pushedBefore" must be a time'],
    ['pushedAfter=2026-02-30T00:00:00Z', '"pushedAfter" is a time that does not exist'],
    ['pulledBefore=1&pulledBefore=2', '"pulledBefore" is given more than once'],
    ['cursor=latest', '"cursor" was not issued by this registry'],
  ] as const) {
    const refused = await fetch(listUrl('list/bad', `?${query}`))
    assert.equal(refused.status, 400, query)
    const { errors } = (await refused.json()) as {
      errors: { code: string; message: string; detail: unknown }[]
    }
    assert.equal(errors[0]?.code, 'UNSUPPORTED')
    assert.ok(errors[0]?.message.startsWith(message), `${query}: ${errors[0]?.message}`)
    const requestId = refused.headers.get('x-request-id')
    assert.deepEqual(errors[0]?.detail, {
      reason: 'PARAMETER_INVALID',
      parameter: query.split('=')[0],
      requestId,
    })
  }
})

test('the list of an unknown repository is refused', async () => {
  for (const query of ['', '?sort=pulled']) {
    for (const method of ['GET', 'HEAD']) {
      const refused = await fetch(listUrl('list/nobody', query), { method })
      assert.equal(refused.status, 404)
      if (method === 'GET') assert.deepEqual(await errorCodes(refused), ['NAME_UNKNOWN'])
    }
  }
})
