import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type PlacedRegistry, placeRegistry, pushImage } from '../../test/suites/registry-place.ts'
import { MEDIA_TYPES } from '../oci/media-type.ts'
import type { RepositoryName } from '../oci/reference.ts'

const repository = 'app' as RepositoryName

/** What is known of an image that was pushed with a config. */
async function described(
  registry: PlacedRegistry,
  config: string | Uint8Array,
  mediaType: string = MEDIA_TYPES.ociConfig,
): Promise<{ platform: string | undefined; isLabelled: boolean }> {
  const digest = await pushImage(registry, repository, { config: config as string, mediaType })
  const list = async (filters: object) =>
    (
      await registry.manifests.list({
        repository,
        sort: 'pushed',
        descending: true,
        filters,
        limit: 1,
        maxBytes: 1e6,
      })
    ).manifests.find((manifest) => manifest.digest === digest)
  const labels = [{ key: 'build', operator: 'exists', values: [] }]
  return { platform: (await list({}))?.platform, isLabelled: (await list({ labels })) !== undefined }
}

async function openRegistry(t: TestContext): Promise<PlacedRegistry> {
  return await placeRegistry(t)
}

const NOTHING = { platform: undefined, isLabelled: false }

test('the labels and platform of an image are read from its config, in either format, small or large', async (t) => {
  const registry = await openRegistry(t)
  const config = { os: 'linux', architecture: 'arm', variant: 'v7', config: { Labels: { build: 'nightly' } } }
  const found = { platform: 'linux/arm/v7', isLabelled: true }
  assert.deepEqual(await described(registry, JSON.stringify(config)), found)
  assert.deepEqual(await described(registry, JSON.stringify(config), MEDIA_TYPES.dockerConfig), found)
  const large = JSON.stringify({ ...config, history: 'x'.repeat(1_000_000) })
  assert.deepEqual(await described(registry, large), found)
  const plain = JSON.stringify({ os: 'windows', architecture: 'amd64' })
  assert.deepEqual(await described(registry, plain), { platform: 'windows/amd64', isLabelled: false })
})

test('a config of another type is not read', async (t) => {
  const registry = await openRegistry(t)
  const config = JSON.stringify({ os: 'linux', architecture: 'arm64', config: { Labels: { build: 'x' } } })
  for (const mediaType of ['application/vnd.cncf.helm.config.v1+json', MEDIA_TYPES.ociEmpty]) {
    assert.deepEqual(await described(registry, config, mediaType), NOTHING)
  }
})

test('an image is accepted even if its config cannot be understood', async (t) => {
  const registry = await openRegistry(t)
  const labels = (value: unknown) => JSON.stringify({ config: { Labels: value } })
  for (const config of [
    '',
    'no json',
    '[]',
    'null',
    '{"os":"linux","os":"windows","architecture":"a"}',
    '{"os":"linux"}',
    '{"os":"a/b","architecture":"c"}',
    '{"os":"","architecture":"c"}',
    '{"os":1,"architecture":"c"}',
    `{"os":"linux","architecture":"${'x'.repeat(65)}"}`,
    labels(['build']),
    labels({ build: 1 }),
    labels({ build: 'x', other: null }),
    labels({ build: 'x'.repeat(70_000) }),
    Buffer.from([0xff, 0xfe]),
    JSON.stringify({
      os: 'linux',
      architecture: 'a',
      config: { Labels: { build: 'x' } },
      x: 'x'.repeat(5e6),
    }),
  ]) {
    assert.deepEqual(await described(registry, config), NOTHING, String(config).slice(0, 100))
  }
})

test('labels that cannot be understood do not hide the platform', async (t) => {
  const registry = await openRegistry(t)
  const config = JSON.stringify({ os: 'linux', architecture: 'amd64', config: { Labels: 7 } })
  assert.deepEqual(await described(registry, config), { platform: 'linux/amd64', isLabelled: false })
})
