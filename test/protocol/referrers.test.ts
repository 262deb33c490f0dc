import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import {
  bytesOf,
  digestOf,
  EMPTY_CONFIG,
  errorCodes,
  manifestDescriptor,
  manifestOf,
  OCI_INDEX,
  OCI_MANIFEST,
  pushArtifact,
  pushBlob,
  pushImage,
  pushManifest,
  type TestDescriptor,
  type TestManifest,
} from '../content.ts'
import { startForFile } from './file-server.ts'
import { followLinks, nextOf } from './pages.ts'

const { url } = await startForFile()

const ZEROS = `sha256:${'0'.repeat(64)}`
const SBOM = 'application/vnd.example.sbom+json'
const SIGNATURE = 'application/vnd.example.signature.v1'

interface Referrer extends TestDescriptor {
  artifactType?: string
  annotations?: Record<string, string>
}

interface Index {
  schemaVersion: number
  mediaType: string
  manifests: Referrer[]
}

/** What a manifest may be a referrer of, without being there. */
function absentSubject(): TestDescriptor {
  return { mediaType: OCI_MANIFEST, digest: digestOf(randomBytes(16)), size: 100 }
}

async function get(name: string, digest: string, query = ''): Promise<Response> {
  return await fetch(`${url}/v2/${name}/referrers/${digest}${query}`)
}

async function referrersOf(name: string, digest: string, query = ''): Promise<Referrer[]> {
  const response = await get(name, digest, query)
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), OCI_INDEX)
  const index = (await response.json()) as Index
  assert.deepEqual(Object.keys(index), ['schemaVersion', 'mediaType', 'manifests'])
  assert.equal(index.schemaVersion, 2)
  assert.equal(index.mediaType, OCI_INDEX)
  return index.manifests
}

async function digestsOf(name: string, digest: string, query = ''): Promise<string[]> {
  return (await referrersOf(name, digest, query)).map((referrer) => referrer.digest)
}

function sortedDigests(manifests: readonly TestManifest[]): string[] {
  return manifests.map(({ digest }) => digest).sort()
}

async function pushReferrers(name: string, bodies: readonly object[]): Promise<TestManifest[]> {
  return await Promise.all(bodies.map((body) => pushArtifact(url, name, body)))
}

test('there is an empty index where nothing refers to a digest, in an unknown repository too', async () => {
  const image = await pushImage(url, 'empty', 'v1')
  for (const [name, digest] of [
    ['empty', image.digest],
    ['empty', ZEROS],
    ['empty/unknown', ZEROS],
    ['empty/unknown', digestOf('x', 'sha512')],
    ['empty', `md5:${'0'.repeat(32)}`],
    ['empty', 'unheard+of:Some=Text_-'],
  ] as const) {
    const response = await get(name, digest)
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('content-type'), OCI_INDEX)
    assert.equal(response.headers.get('link'), null)
    assert.equal(await response.text(), `{"schemaVersion":2,"mediaType":"${OCI_INDEX}","manifests":[]}`)
  }
})

test('a digest out of grammar is refused with 400, never with 404', async () => {
  for (const digest of [
    'v1',
    'sha256:short',
    `sha256:${'G'.repeat(64)}`,
    `sha256:${'A'.repeat(64)}`,
    'sha256',
  ]) {
    for (const name of ['empty', 'empty/unknown']) {
      const refused = await get(name, digest)
      assert.equal(refused.status, 400, digest)
      assert.deepEqual(await errorCodes(refused), ['DIGEST_INVALID'])
    }
  }
})

test('a referrer is listed with its type, digest, size, artifactType and all of its annotations', async () => {
  const subject = manifestDescriptor(await pushImage(url, 'full', 'v1'))
  const annotations = { 'org.example.a': 'b', empty: '', 'ü"\\\n': '€😀' }
  const artifact = await pushArtifact(url, 'full', { subject, artifactType: SBOM, annotations })
  assert.deepEqual(await referrersOf('full', subject.digest), [
    { ...manifestDescriptor(artifact), artifactType: SBOM, annotations },
  ])
})

test('the artifactType of an image is its own, else the type of its config; of an index its own or none', async () => {
  const subject = absentSubject()
  const index = (body: object) => manifestOf({ manifests: [], subject, ...body }, OCI_INDEX)
  await pushBlob(url, 'typed', '{}')
  const config = { ...EMPTY_CONFIG, mediaType: 'application/vnd.example.config+json' }
  const image = (body: object) => manifestOf({ config, layers: [], subject, ...body })
  const cases: [TestManifest, string | undefined][] = [
    [image({}), config.mediaType],
    [image({ artifactType: SBOM }), SBOM],
    [image({ artifactType: '' }), config.mediaType],
    [index({}), undefined],
    [index({ artifactType: SIGNATURE }), SIGNATURE],
    [index({ artifactType: '', annotations: { x: 'y' } }), undefined],
  ]
  for (const [manifest] of cases) await pushManifest(url, 'typed', manifest)
  const found = new Map((await referrersOf('typed', subject.digest)).map((one) => [one.digest, one]))
  assert.equal(found.size, cases.length)
  for (const [manifest, artifactType] of cases) {
    const referrer = found.get(manifest.digest)
    assert.equal(referrer?.artifactType, artifactType)
    assert.equal(Object.hasOwn(referrer ?? {}, 'artifactType'), artifactType !== undefined)
    assert.equal(referrer?.mediaType, manifest.mediaType)
  }
})

test('an index that refers to an index is listed as its referrer', async () => {
  const image = await pushImage(url, 'indexes')
  const target = manifestOf({ manifests: [manifestDescriptor(image)] }, OCI_INDEX)
  const subject = manifestDescriptor(target)
  const referrer = manifestOf({ manifests: [manifestDescriptor(image)], subject }, OCI_INDEX)
  await pushManifest(url, 'indexes', target, 'v1')
  const pushed = await pushManifest(url, 'indexes', referrer, 'signed')
  assert.equal(pushed.headers.get('oci-subject'), target.digest)
  assert.deepEqual(await digestsOf('indexes', target.digest), [referrer.digest])
})

test('a filter leaves the referrers of one artifactType, also of several, and says so', async () => {
  const subject = absentSubject()
  const types = [SBOM, SBOM, SIGNATURE, 'application/other']
  const pushed = await pushReferrers(
    'filter',
    types.map((artifactType, index) => ({ subject, artifactType, annotations: { index: String(index) } })),
  )
  const of = (...wanted: string[]) =>
    sortedDigests(pushed.filter((_, index) => wanted.includes(types[index] ?? '')))
  const cases: [query: string, expected: string[]][] = [
    [`?artifactType=${encodeURIComponent(SBOM)}`, of(SBOM)],
    [`?artifactType=${SBOM}`, of(SBOM)],
    [`?artifactType=${SIGNATURE}`, of(SIGNATURE)],
    [`?artifactType=${SIGNATURE}&artifactType=${SBOM}`, of(SIGNATURE, SBOM)],
    ['?artifactType=application/none', []],
  ]
  for (const [query, expected] of cases) {
    assert.deepEqual((await digestsOf('filter', subject.digest, query)).sort(), expected, query)
    const response = await get('filter', subject.digest, query)
    assert.equal(response.headers.get('oci-filters-applied'), 'artifactType')
  }
  const unfiltered = await get('filter', subject.digest, '?ns=example.org&unknown=1')
  assert.equal(unfiltered.headers.get('oci-filters-applied'), null)
  assert.equal(((await unfiltered.json()) as Index).manifests.length, types.length)
})

test('the filter also uses the artifactType that the config provides', async () => {
  const subject = absentSubject()
  const artifact = await pushArtifact(url, 'config', { subject })
  const query = `?artifactType=${EMPTY_CONFIG.mediaType}`
  assert.deepEqual(await digestsOf('config', subject.digest, query), [artifact.digest])
})

test('a referrer is listed once, however many tags it has and however often it is pushed', async () => {
  const subject = absentSubject()
  const artifact = await pushArtifact(url, 'once', { subject })
  for (const tag of ['a', 'b', 'c']) await pushManifest(url, 'once', artifact, tag)
  assert.deepEqual(await digestsOf('once', subject.digest), [artifact.digest])
})

test('the tag that clients use if there are no referrers is a tag like any other', async () => {
  const subject = absentSubject()
  const artifact = await pushArtifact(url, 'fallback', { subject })
  const fallback = manifestOf(
    { manifests: [{ ...manifestDescriptor(artifact), artifactType: SBOM }] },
    OCI_INDEX,
  )
  await pushManifest(url, 'fallback', fallback, subject.digest.replace(':', '-'))
  assert.deepEqual(await digestsOf('fallback', subject.digest), [artifact.digest])
  const read = await fetch(`${url}/v2/fallback/manifests/${subject.digest.replace(':', '-')}`)
  assert.deepEqual(await bytesOf(read), fallback.bytes)
})

test('one content under two digests is two subjects', async () => {
  const target = await pushImage(url, 'two')
  const bytes = target.bytes
  const digests = [target.digest, digestOf(bytes, 'sha512')]
  const artifacts = await pushReferrers(
    'two',
    digests.map((digest) => ({ subject: { ...manifestDescriptor(target), digest } })),
  )
  for (const [index, digest] of digests.entries()) {
    assert.deepEqual(await digestsOf('two', digest), [artifacts[index]?.digest])
  }
})

test('a referrer that was pushed by a sha512 digest is listed under that', async () => {
  const subject = absentSubject()
  const manifest = manifestOf({ manifests: [], subject }, OCI_INDEX)
  const digest = digestOf(manifest.bytes, 'sha512')
  assert.equal((await pushManifest(url, 'sha512', { ...manifest, digest })).status, 201)
  assert.deepEqual(await digestsOf('sha512', subject.digest), [digest])
})

test('referrers are those of one repository', async () => {
  const subject = absentSubject()
  await pushArtifact(url, 'mine', { subject })
  await pushBlob(url, 'mine/other', 'x')
  assert.deepEqual(await digestsOf('mine/other', subject.digest), [])
})

test('HEAD of referrers answers with the headers of GET', async () => {
  const subject = absentSubject()
  await pushArtifact(url, 'head', { subject })
  const target = `${url}/v2/head/referrers/${subject.digest}`
  const [head, get] = [await fetch(target, { method: 'HEAD' }), await fetch(target)]
  assert.equal(head.status, 200)
  assert.equal(head.headers.get('content-type'), OCI_INDEX)
  assert.equal(head.headers.get('content-length'), get.headers.get('content-length'))
  assert.equal((await bytesOf(head)).length, 0)
})

test('pages of referrers, followed by Link, are disjoint and make up the whole, filtered or not', async () => {
  const subject = absentSubject()
  const pushed = await pushReferrers(
    'pages',
    Array.from({ length: 24 }, (_, index) => ({
      subject,
      artifactType: index % 3 === 0 ? SBOM : SIGNATURE,
      annotations: { index: String(index) },
    })),
  )
  const sboms = pushed.filter((_, index) => index % 3 === 0)
  for (const [filter, all] of [
    ['', pushed],
    [`artifactType=${SBOM}&`, sboms],
    [`artifactType=${SBOM}&artifactType=${SIGNATURE}&`, pushed],
  ] as const) {
    for (const size of [1, 5, 24, 100]) {
      const first = `${url}/v2/pages/referrers/${subject.digest}?${filter}n=${size}`
      const pages = await followLinks<Index>(first)
      const digests = pages.flatMap(({ manifests }) => manifests.map(({ digest }) => digest))
      assert.deepEqual(digests.sort(), sortedDigests(all))
      for (const { manifests, mediaType } of pages) {
        assert.equal(mediaType, OCI_INDEX)
        assert.ok(manifests.length <= size)
      }
    }
  }
  const page = await get('pages', subject.digest, `?artifactType=${SBOM}&n=2`)
  assert.equal(page.headers.get('oci-filters-applied'), 'artifactType')
  const next = nextOf(page)
  assert.deepEqual(next?.searchParams.getAll('artifactType'), [SBOM])
  assert.equal((await fetch(next ?? '')).headers.get('oci-filters-applied'), 'artifactType')
})

/** Fails unless all referrers come in pages that every client reads: of 4 MiB at most. */
async function assertReadable(name: string, subject: TestDescriptor, pushed: TestManifest[]): Promise<void> {
  const found: string[] = []
  for (let next: URL | undefined = new URL(`${url}/v2/${name}/referrers/${subject.digest}`); next; ) {
    const page = await fetch(next)
    const bytes = await bytesOf(page)
    assert.ok(bytes.length <= 4 * 1024 * 1024, `a page of ${bytes.length} bytes`)
    found.push(...(JSON.parse(String(bytes)) as Index).manifests.map(({ digest }) => digest))
    next = nextOf(page)
  }
  assert.deepEqual(found.sort(), sortedDigests(pushed))
}

test('referrers with large annotations are listed in pages of 4 MiB at most', async () => {
  const subject = absentSubject()
  const bodies = ['a', 'b', 'c', 'd'].map((letter) => ({
    subject,
    annotations: { text: letter.repeat(1_500_000) },
  }))
  await assertReadable('large', subject, await pushReferrers('large', bodies))
})

test('referrers with large non-ASCII annotations are listed in pages of 4 MiB at most', async () => {
  const subject = absentSubject()
  const bodies = ['字', '語', '数'].map((letter) => ({
    subject,
    annotations: { text: letter.repeat(600_000) },
  }))
  await assertReadable('wide', subject, await pushReferrers('wide', bodies))
})
