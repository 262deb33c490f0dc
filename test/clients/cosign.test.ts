import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { multiPlatformLayout } from './image.ts'
import { pushedImage } from './pushed-image.ts'
import { servedManifest, servedReferrers, servedTags, servedTree } from './served.ts'
import { openSession } from './session.ts'

const session = await openSession('cosign')
after(() => session.close())

const { host } = session
const plain = '--allow-http-registry'
const bundleType = 'application/vnd.dev.sigstore.bundle.v0.3+json'
// No transparency log: it is on the internet, and nothing here leaves this machine.
const offline = [plain, '--use-signing-config=false', '--tlog-upload=false']
const trusting = [plain, '--insecure-ignore-tlog']
const oldFormat = '--new-bundle-format=false'

const keys = await session.folder()
const cosign = (...args: string[]) =>
  session.run('cosign', args, { cwd: keys, env: { COSIGN_PASSWORD: 'client tests' } })
await cosign('generate-key-pair')
await cosign('generate-key-pair', '--output-key-prefix', 'stranger')

const sign = (image: string, ...flags: string[]) =>
  cosign('sign', '--key', 'cosign.key', ...offline, ...flags, image)
const verify = (image: string, ...flags: string[]) =>
  cosign('verify', '--key', 'cosign.pub', ...trusting, ...flags, image)

async function refuseVerify(image: string, key: string, ...flags: string[]): Promise<void> {
  await session.refuse('cosign', ['verify', '--key', key, ...trusting, ...flags, image], { cwd: keys })
}

test('cosign signs an image as a referrer and verifies it', async () => {
  const name = session.repository('signed')
  const { digest, image } = await pushedImage(session, name)
  await refuseVerify(image, 'cosign.pub')
  await sign(image)
  const [signature, ...others] = await servedReferrers(host, name, digest)
  assert.deepEqual(others, [])
  assert.equal(signature?.artifactType, bundleType)
  assert.deepEqual(await servedTags(host, name), ['v1'])
  assert.equal((await servedTree(host, name, signature?.digest ?? '')).length, 3)
  const [verified] = JSON.parse((await verify(image)).stdout)
  assert.equal(verified.critical.image['docker-manifest-digest'], digest)
  await refuseVerify(image, 'stranger.pub')
})

test('cosign signs an image by tag in the old format and verifies it', async () => {
  const name = session.repository('tagged')
  const { digest, image } = await pushedImage(session, name)
  await sign(image, oldFormat)
  const tag = `${digest.replace(':', '-')}.sig`
  assert.deepEqual(await servedTags(host, name), [tag, 'v1'])
  assert.equal((await servedTree(host, name, tag)).length, 3)
  await sign(image, oldFormat, '--annotations', 'second=yes')
  assert.equal((await servedManifest(host, name, tag)).manifest.layers?.length, 2)
  const verified = JSON.parse((await verify(image, oldFormat)).stdout)
  assert.equal(verified.length, 2)
  await refuseVerify(image, 'stranger.pub', oldFormat)
})

for (const [format, flags] of [
  ['as a referrer', []],
  ['by tag in the old format', [oldFormat]],
] as const) {
  test(`cosign attests a predicate ${format} and verifies it`, async () => {
    const { image } = await pushedImage(session, session.repository('attested'))
    const built = randomUUID()
    await writeFile(join(keys, 'predicate.json'), JSON.stringify({ built }))
    const predicate = ['--type', 'custom', '--predicate', 'predicate.json']
    await cosign('attest', '--key', 'cosign.key', ...offline, ...flags, ...predicate, image)
    const trust = ['--key', 'cosign.pub', '--type', 'custom', ...trusting, ...flags]
    const verified = JSON.parse((await cosign('verify-attestation', ...trust, image)).stdout)
    assert.ok(Buffer.from(verified.payload, 'base64').toString().includes(built))
  })
}

test('cosign signs an index and each of its images', async () => {
  const layout = await session.folder()
  const name = session.repository('recursive')
  const index = await multiPlatformLayout(layout)
  await session.run('crane', ['push', layout, `${host}/${name}:v1`])
  await sign(`${host}/${name}@${index.digest}`, '--recursive')
  const { manifest } = await servedManifest(host, name, 'v1')
  for (const { digest } of [index, ...(manifest.manifests ?? [])]) {
    assert.equal((await servedReferrers(host, name, digest)).length, 1)
    await verify(`${host}/${name}@${digest}`)
  }
})

test('cosign verifies an image that was copied to another repository with its signature', async () => {
  const [source, target] = [session.repository('source'), session.repository('target')]
  const { digest, image } = await pushedImage(session, source)
  await sign(image)
  const copy = ['cp', '--recursive', '--from-plain-http', '--to-plain-http']
  await session.run('oras', [...copy, image, `${host}/${target}:v1`])
  await verify(`${host}/${target}@${digest}`)
  await cosign('tree', plain, `${host}/${target}@${digest}`)
})

test('cosign cleans the signatures of an image and leaves the image', async () => {
  const name = session.repository('cleaned')
  const { digest, image } = await pushedImage(session, name)
  await sign(image, oldFormat)
  await verify(image, oldFormat)
  const before = await servedTree(host, name, digest)
  await cosign('clean', '--force', plain, image)
  assert.deepEqual(await servedTags(host, name), ['v1'])
  assert.deepEqual(await servedTree(host, name, 'v1'), before)
  await refuseVerify(image, 'cosign.pub', oldFormat)
})

test('cosign saves an image with its signatures and loads it into another repository', async () => {
  const [source, target] = [session.repository('saved'), session.repository('loaded')]
  const { digest, image } = await pushedImage(session, source)
  await sign(image, oldFormat)
  const folder = await session.folder()
  await cosign('save', plain, '--dir', folder, image)
  await cosign('load', plain, '--dir', folder, `${host}/${target}:v1`)
  assert.deepEqual(await servedTree(host, target, 'v1'), await servedTree(host, source, digest))
  await verify(`${host}/${target}@${digest}`, oldFormat)
})
