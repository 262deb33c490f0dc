import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { openRegistryClient } from '../../src/client/registry-client.ts'
import { wholeFile } from '../whole-file.ts'
import { installPackage } from './installed-package.ts'

const PROJECT = join(import.meta.dirname, '../..')
const installed = await installPackage(wholeFile)
const CODE = join(installed.folder, 'node_modules/stowage/dist/js')

test('the package brings built code with its types, and neither a Node.js of its own nor tests', async () => {
  const modules = join(installed.folder, 'node_modules')
  const files = await readdir(join(modules, 'stowage'), { recursive: true })
  assert.ok(files.includes('dist/js/main.js') && files.includes('LICENSE'))
  assert.deepEqual(
    files.filter((file) => /(?<!\.d)\.ts$|\.test\.|^(?:src|test|runtime)\b/.test(file)),
    [],
  )
  const programs = await readdir(join(modules, '.bin'))
  assert.ok(programs.includes('stowage') && !programs.includes('node'))
})

test('the program of each thread is one file, which takes modules of Node without their unused parts', async () => {
  const threads = ['worker', 'housekeeping', 'writer', 'hash'].map((name) => `${name}-thread.js`)
  const texts = threads.map(async (name) => [name, await readFile(join(CODE, name), 'utf8')] as const)
  for (const [name, text] of await Promise.all(texts)) assert.doesNotMatch(text, /^import\b/m, name)
})

test('an older Node.js can load what the command loads first', async () => {
  for (const text of await filesLoadedBy('main.js')) assert.doesNotMatch(text, /getBuiltinModule/)
})

test('the client and the types use nothing of Node, so that browsers can load them', async () => {
  for (const entry of ['client.js', 'oci.js'])
    for (const text of await filesLoadedBy(entry)) assert.doesNotMatch(text, /getBuiltinModule|"node:/)
})

/** @returns the texts of a file and of all others that are loaded with it */
async function filesLoadedBy(entry: string): Promise<string[]> {
  const files = new Map<string, string>()
  const names = new Set([entry])
  for (const name of names) {
    const text = await readFile(join(CODE, name), 'utf8')
    files.set(name, text)
    for (const [, other = ''] of text.matchAll(/^(?:import|\}).*"\.\/(.*)";$/gm)) names.add(other)
  }
  assert.ok(files.size > 1)
  return [...files.values()]
}

test('it names the licenses of the packages whose code is in its own files', async () => {
  const licenses = await readFile(join(CODE, 'LICENSES.txt'), 'utf8')
  for (const name of ['commander', 'pino', 'sonic-boom'])
    assert.match(licenses, new RegExp(`^${name}\n\n.*(?:MIT|Copyright)`, 'm'))
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
  assert.match(await installed.run('node_modules/.bin/stowage', ['jobs', '--data', 'data']), /^sweep /m)
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

test('its server starts where no compiled code can be kept', async () => {
  const cache = join(installed.folder, 'node_modules/stowage/.cache')
  await rm(cache, { recursive: true, force: true })
  // No user can make a folder inside a file.
  await writeFile(cache, '')
  const url = await installed.serve('data-of-read-only')
  assert.equal((await fetch(`${url}/v2/`)).status, 200)
})

test('on an older Node.js its command says which one it needs', async () => {
  const old = "data:text/javascript,Object.defineProperty(process.versions,'node',{value:'22.20.0'})"
  const command = ['--import', old, 'node_modules/stowage/dist/js/main.js', 'serve']
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
