import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { startStowage } from '../stowage.ts'

const MADE = /^[0-9a-f]{12}-[0-9a-z]+$/

interface ErrorBody {
  errors: { code: string; detail: { reason: string; requestId: string } }[]
}

/** Sends bytes as they are. @returns everything that is answered until the server closes the connection */
async function exchange(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.write(bytes)
  return await text(socket)
}

test('each response has its own id, including responses to probes and those without a body', async (t) => {
  const { url } = await startStowage(t)
  const ids = new Set<string>()
  const targets = ['/', '/livez', '/readyz', '/v2/', '/v2/', '/v2/_catalog', '/v2/none/tags/list', '/nothing']
  for (const target of targets) {
    for (const method of ['GET', 'HEAD']) {
      const { headers } = await fetch(url + target, { method })
      const id = headers.get('x-request-id') ?? ''
      assert.match(id, MADE, `${method} ${target}`)
      ids.add(id)
    }
  }
  assert.equal(ids.size, 2 * targets.length)
})

test('an error body has the id that is in the header', async (t) => {
  const { url } = await startStowage(t)
  for (const target of ['/v2/none/tags/list', '/v2/none/manifests/latest', '/nothing', '/readyz?for=what']) {
    const answer = await fetch(url + target)
    const { errors } = (await answer.json()) as ErrorBody
    assert.equal(errors.length, 1)
    assert.equal(errors[0]?.detail.requestId, answer.headers.get('x-request-id'), target)
  }
})

test('a request that is not HTTP gets an id in the header and the body of its refusal', async (t) => {
  const { url } = await startStowage(t)
  for (const request of ['NOT HTTP\r\n\r\n', 'GET /v2/ HTTP/1.1\r\nConnection: close\r\n\r\n']) {
    const answer = await exchange(url, request)
    const [, id = ''] = /^X-Request-Id: (.+)\r$/im.exec(answer) ?? []
    assert.match(id, MADE, answer)
    const { errors } = JSON.parse(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1)) as ErrorBody
    assert.equal(errors[0]?.detail.requestId, id)
  }
})

test('a trusted proxy gives a request its id, and no other client does', async (t) => {
  const trusting = await startStowage(t, { trustedProxies: '127.0.0.1' })
  const other = await startStowage(t, { trustedProxies: '192.0.2.1' })
  const given = 'Root=1-67891233-abcdef012345678912345678'
  const headers = { 'X-Request-Id': given }
  const idFrom = async ({ url }: { url: string }, id: string) => {
    const answer = await fetch(`${url}/v2/none/tags/list`, { headers: { 'X-Request-Id': id } })
    const { errors } = (await answer.json()) as ErrorBody
    assert.equal(errors[0]?.detail.requestId, answer.headers.get('x-request-id'))
    return answer.headers.get('x-request-id') ?? ''
  }
  assert.equal(await idFrom(trusting, given), given)
  assert.match(await idFrom(other, given), MADE)
  for (const bad of ['a b', 'x'.repeat(129), '"quoted"', '']) assert.match(await idFrom(trusting, bad), MADE)
  const unchanged = await fetch(`${trusting.url}/v2/`, { method: 'HEAD', headers })
  assert.equal(unchanged.headers.get('x-request-id'), given)
})
