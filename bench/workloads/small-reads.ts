import { type Image, imageOf, MANIFEST_TYPE } from '../load/image.ts'
import { type Seeder, seedImage } from '../seed.ts'
import type { Family } from '../workload.ts'
import { readCase, type SmallRequest } from './small-request.ts'

/** A small request, and what must be there for it. */
interface SmallRead extends SmallRequest {
  seed: 'image' | 'tags' | 'referrers'
}

const CONNECTIONS = [1, 16, 64]
const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json'
const TAGS = 100
const REFERRERS = 10
/** Content of the images of referrers; no push of a run is numbered so. */
const REFERRER_IDS = 2 ** 41

/** The image that small reads ask for: everything of it is the same on every system. */
export const APP = { repository: 'bench/app', image: imageOf(0), tags: ['v1'] }

const app = `/v2/${APP.repository}`
const { manifest, layer } = APP.image
const ABSENT = `sha256:${'0123456789abcdef'.repeat(4)}`

const READS: readonly SmallRead[] = [
  read('get-manifest-tag', 'GET manifest by tag', { path: `${app}/manifests/v1` }),
  read('get-manifest-digest', 'GET manifest by digest', { path: `${app}/manifests/${manifest.digest}` }),
  read('head-manifest-tag', 'HEAD manifest by tag', { method: 'HEAD', path: `${app}/manifests/v1` }),
  read('head-manifest-digest', 'HEAD manifest by digest', {
    method: 'HEAD',
    path: `${app}/manifests/${manifest.digest}`,
  }),
  read('head-blob', 'HEAD blob', { method: 'HEAD', path: `${app}/blobs/${layer.digest}` }),
  read('head-blob-missing', 'HEAD blob that is missing', {
    method: 'HEAD',
    path: `${app}/blobs/${ABSENT}`,
    status: 404,
  }),
  read('404-manifest', '404 of an unknown manifest', { path: `${app}/manifests/unknown`, status: 404 }),
  read('404-repository', '404 of an unknown repository', {
    path: '/v2/bench/unknown/manifests/v1',
    status: 404,
  }),
  read('404-route', '404 of an unknown route', { path: `${app}/unknown`, status: 404 }),
  read('tags', `page of ${TAGS} tags`, { path: `/v2/bench/tags/tags/list?n=${TAGS}`, seed: 'tags' }),
  read('referrers-none', 'referrers, none', {
    path: `${app}/referrers/${manifest.digest}`,
    optional: true,
  }),
  read('referrers-10', `referrers, ${REFERRERS}`, {
    path: `/v2/bench/referrers/referrers/${manifest.digest}`,
    seed: 'referrers',
    optional: true,
  }),
]

function read(name: string, label: string, rest: Partial<SmallRead> & { path: string }): SmallRead {
  return { name, label, method: 'GET', status: 200, seed: 'image', ...rest }
}

/** Small requests that change nothing, one family for each. */
export const SMALL_READS: readonly Family[] = READS.map((each) => ({
  name: each.name,
  readOnly: true,
  seed: async (seeder) => await SEEDS[each.seed](seeder),
  cases: CONNECTIONS.map((connections) => readCase(each, connections)),
}))

const SEEDS: Readonly<Record<SmallRead['seed'], (seeder: Seeder) => Promise<void>>> = {
  async image(seeder) {
    await seedImage(seeder, APP, APP.image)
    await seeder.answer(
      `v2/${APP.repository}/referrers/${manifest.digest}`,
      Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests: [] })),
    )
  },
  async tags(seeder) {
    const tags = Array.from({ length: TAGS }, (_, index) => `v1.0.${index + 100}`)
    await seedImage(seeder, { repository: 'bench/tags', tags }, APP.image)
    await seeder.answer('v2/bench/tags/tags/list', Buffer.from(JSON.stringify({ name: 'bench/tags', tags })))
  },
  async referrers(seeder) {
    const place = { repository: 'bench/referrers', tags: [] }
    await seedImage(seeder, place, APP.image)
    const referrers = Array.from({ length: REFERRERS }, (_, index) => referrer(index))
    for (const each of referrers) await seedImage(seeder, place, each)
    const manifests = referrers.map((each) => descriptor(each))
    await seeder.answer(
      `v2/bench/referrers/referrers/${manifest.digest}`,
      Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests })),
    )
  },
}

function referrer(index: number): Image {
  const annotations = { 'org.opencontainers.image.created': `2026-01-01T00:00:${10 + index}Z` }
  return imageOf(REFERRER_IDS + index, {
    artifactType: 'application/vnd.example.signature',
    subject: descriptor(APP.image),
    annotations,
  })
}

function descriptor({ manifest: { bytes, digest } }: Image): object {
  return { mediaType: MANIFEST_TYPE, digest, size: bytes.length }
}
