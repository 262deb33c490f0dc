import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { digestOf, OCI_INDEX } from '../content.ts'
import { startStowage, temporaryFolder } from '../stowage.ts'

const FORM = 'application/x-www-form-urlencoded'

test('a type that was stored before it was refused is replaced by a push of the same bytes', async (t) => {
  const data = await temporaryFolder(t)
  const body = '{"schemaVersion":2,"manifests":[]}'
  const before = await startStowage(t, { data })
  const headers = { 'Content-Type': OCI_INDEX }
  await fetch(`${before.url}/v2/app/manifests/v1`, { method: 'PUT', headers, body })
  await before.close()
  // As a release before this one left it.
  const database = new DatabaseSync(join(data, 'metadata.sqlite'))
  database.prepare('UPDATE manifests SET media_type = ?').run(FORM)
  database.close()

  const { url } = await startStowage(t, { data })
  const typeOf = async (reference: string) =>
    (await fetch(`${url}/v2/app/manifests/${reference}`)).headers.get('content-type')
  assert.equal(await typeOf('v1'), FORM)
  const form = await fetch(`${url}/v2/app/manifests/v1`, {
    method: 'PUT',
    headers: { 'Content-Type': FORM },
    body,
  })
  assert.equal(form.status, 400)
  const again = await fetch(`${url}/v2/app/manifests/v1`, { method: 'PUT', headers, body })
  assert.equal(again.status, 201)
  for (const reference of ['v1', digestOf(body)]) assert.equal(await typeOf(reference), OCI_INDEX)
})
