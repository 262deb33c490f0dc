import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pushImage } from '../content.ts'
import { startStowage } from '../stowage.ts'

test('an image that was pushed by tag is pulled by tag and by digest, byte for byte', async (t) => {
  const { url } = await startStowage(t)
  const image = await pushImage(url, 'library/app', 'v1')
  for (const reference of ['v1', image.digest]) {
    const pulled = await fetch(`${url}/v2/library/app/manifests/${reference}`)
    assert.equal(pulled.status, 200)
    assert.equal(pulled.headers.get('content-type'), image.mediaType)
    assert.equal(pulled.headers.get('docker-content-digest'), image.digest)
    assert.deepEqual(Buffer.from(await pulled.arrayBuffer()), image.bytes)
  }
})
