import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { cp, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { openRegistryClient } from '../../src/client/registry-client.ts'
import { wholeFile } from '../whole-file.ts'
import { installPackage } from './installed-package.ts'

const PROJECT = join(import.meta.dirname, '../..')
const installed = await installPackage(wholeFile)

test('the package brings built code with its types, and neither a Node.js of its own nor tests', async () => {
  const modules = join(installed.folder, 'node_modules')
  const files = await readdir(join(modules, 'stowage'), { recursive: true })
  assert.ok(files.includes('dist/cli/main.js') && files.includes('LICENSE'))
  assert.deepEqual(
    files.filter((file) => /(?<!\.d)\.ts$|\.test\.|^(?:src|test|runtime)\b/.test(file)),
    [],
  )
  const programs = await readdir(join(modules, '.bin'))
  assert.ok(programs.includes('stowage') && !programs.includes('node'))
})

test('its server takes and returns an image, with all of its threads', async () => {
  const url = await installed.serve('data')
  const repository = openRegistryClient(url).repository('team/app')
  const layer = randomBytes(3_000_000)
  const pushed = await repository.pushBlob(layer, { chunkSize: 1_000_000 })
  const { body } = await repository.getBlob(pushed.digest)
  assert.ok(Buffer.from(await new Response(body).arrayBuffer()).equals(layer))
  const config = await repository.pushBlob(Buffer.from('{}'))
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = {
    schemaVersion: 2,
    mediaType,
    config: { mediaType: 'application/vnd.oci.empty.v1+json', ...config },
    layers: [{ mediaType: 'application/octet-stream', ...pushed }],
  }
  const bytes = Buffer.from(JSON.stringify(manifest))
  const { digest } = await repository.putManifest('v1', { mediaType, bytes })
  assert.equal((await repository.getManifest('v1')).digest, digest)
  assert.equal(await closeLate(url, layer), 201)
})

/** Closes an upload with a digest of an algorithm that was not named before, which is computed on a thread of its own. */
async function closeLate(url: string, bytes: Buffer): Promise<number> {
  const opened = await fetch(`${url}/v2/team/app/blobs/uploads/`, { method: 'POST' })
  const patched = await fetch(new URL(opened.headers.get('location') ?? '', url), {
    method: 'PATCH',
    body: bytes,
  })
  const digest = `sha512:${createHash('sha512').update(bytes).digest('hex')}`
  const closing = new URL(patched.headers.get('location') ?? '', url)
  closing.searchParams.set('digest', digest)
  return (await fetch(closing, { method: 'PUT' })).status
}

test('its command keeps compiled code next to the code, as in a checkout', async () => {
  await installed.run('node_modules/.bin/stowage', ['--version'])
  const cache = await readdir(join(installed.folder, 'node_modules/stowage/.cache/code'), { recursive: true })
  assert.ok(cache.length > 1)
})

test('on an older Node.js its command says which one it needs', async () => {
  const old = "data:text/javascript,Object.defineProperty(process.versions,'node',{value:'22.20.0'})"
  const command = ['--import', old, 'node_modules/stowage/dist/cli/main.js', 'serve']
  await assert.rejects(installed.run('node', command), {
    code: 1,
    stderr: 'stowage: Stowage needs Node.js 26.10.0 or newer, and this is 22.20.0\n',
  })
})

test('the example of an embedded registry fits the types of the package, also of those that it does not use', async () => {
  for (const types of ['@types/node', 'undici-types'])
    await cp(join(PROJECT, 'node_modules', types), join(installed.folder, 'node_modules', types), {
      recursive: true,
    })
  const compiler = join(PROJECT, 'node_modules/typescript/bin/tsc')
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--types', 'node']
  await installed.run('node', [compiler, ...options, '--skipLibCheck', 'false', 'embed.ts'])
})

test('the example of an embedded registry runs, with a temporary folder and with a given one', async () => {
  const said = await installed.run('node', ['embed.ts'])
  assert.match(said, /^pulled: Hello from inside a program\.$/m)
  const [, temporary = ''] = /keeps its data in (.+)$/m.exec(said) ?? []
  await assert.rejects(readdir(temporary), { code: 'ENOENT' })
  await installed.run('node', ['embed.ts', 'notes'])
  assert.ok((await readdir(join(installed.folder, 'notes'))).includes('metadata.sqlite'))
})
