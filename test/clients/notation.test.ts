import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pushedImage } from './pushed-image.ts'
import { servedReferrers, servedTags, servedTree } from './served.ts'
import { openSession } from './session.ts'

const session = await openSession('notation')
after(() => session.close())

const { host } = session
const insecure = '--insecure-registry'
const signatureType = 'application/vnd.cncf.notary.signature'
const byApi = '--force-referrers-tag=false'
const notation = (...args: string[]) => session.run('notation', args)

const trustPolicy = {
  version: '1.0',
  trustPolicies: [
    {
      name: 'client-tests',
      registryScopes: ['*'],
      signatureVerification: { level: 'strict' },
      trustStores: ['ca:client-tests'],
      trustedIdentities: ['*'],
    },
  ],
}

await trustTestKey()

/** A key whose certificate these tests, and nobody else, trust. */
async function trustTestKey(): Promise<void> {
  const policy = join(await session.folder(), 'trust-policy.json')
  await writeFile(policy, JSON.stringify(trustPolicy))
  await notation('cert', 'generate-test', '--default', 'client-tests')
  await notation('policy', 'import', policy)
}

/** The signatures that notation itself finds. */
async function listed(image: string): Promise<string[]> {
  const { stdout } = await notation('list', insecure, image)
  return (stdout.match(/sha256:[0-9a-f]{64}/g) ?? []).slice(1)
}

test('notation signs an image through the referrers API and verifies it', async () => {
  const name = session.repository('signed')
  const { digest, image } = await pushedImage(session, name)
  await session.refuse('notation', ['verify', insecure, image])
  await notation('sign', insecure, byApi, image)
  const [signature, ...others] = await servedReferrers(host, name, digest)
  assert.deepEqual(others, [])
  assert.equal(signature?.artifactType, signatureType)
  assert.deepEqual(await servedTags(host, name), ['v1'])
  assert.equal((await servedTree(host, name, signature?.digest ?? '')).length, 3)
  assert.deepEqual(await listed(image), [signature?.digest])
  const { stdout, stderr } = await notation('verify', insecure, image)
  assert.match(stdout + stderr, /Successfully verified signature/)
})

test('notation signs an image through the referrers tag and verifies it', async () => {
  const name = session.repository('tagged')
  const { digest, image } = await pushedImage(session, name)
  await notation('sign', insecure, '--force-referrers-tag', image)
  assert.deepEqual(await servedTags(host, name), [digest.replace(':', '-'), 'v1'])
  assert.equal((await listed(image)).length, 1)
  await notation('verify', insecure, image)
})

test('notation keeps several signatures of an image and reads their metadata back', async () => {
  const name = session.repository('several')
  const { digest, image } = await pushedImage(session, name)
  for (const format of ['jws', 'cose']) {
    await notation('sign', insecure, byApi, '--signature-format', format, '-m', `made=${format}`, image)
  }
  const signatures = (await servedReferrers(host, name, digest)).map((signature) => signature.digest)
  assert.equal(signatures.length, 2)
  assert.deepEqual((await listed(image)).sort(), signatures.sort())
  const inspected = await notation('inspect', insecure, '--output', 'json', image)
  for (const format of ['jws', 'cose']) {
    assert.match(inspected.stdout, new RegExp(`"made": "${format}"`))
    await notation('verify', insecure, '-m', `made=${format}`, image)
  }
  await session.refuse('notation', ['verify', insecure, '-m', 'made=elsewhere', image])
})

test('notation verifies a signature that was copied to another repository with its image', async () => {
  const [source, target] = [session.repository('source'), session.repository('target')]
  const { digest, image } = await pushedImage(session, source)
  await notation('sign', insecure, byApi, image)
  const copy = ['cp', '--recursive', '--from-plain-http', '--to-plain-http']
  await session.run('oras', [...copy, image, `${host}/${target}:v1`])
  await notation('verify', insecure, `${host}/${target}@${digest}`)
  assert.deepEqual(await servedReferrers(host, target, digest), await servedReferrers(host, source, digest))
})
