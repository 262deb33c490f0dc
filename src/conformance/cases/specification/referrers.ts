import { digestOf } from '../../../client/hasher.ts'
import { isObject } from '../../../client/request.ts'
import { MEDIA_TYPES } from '../../../oci/media-type.ts'
import type { Case } from '../../case.ts'
import { readAllReferrers, readPages, readReferrers, referrersOf, referrersTarget } from '../../list.ts'
import {
  descriptorOf,
  makeArtifact,
  makeIndex,
  offerManifest,
  type ProbeDescriptor,
  type ProbeManifest,
  pushArtifact,
  pushEmpty,
  pushManifest,
  wantPullable,
} from '../../manifest.ts'
import { Failure, NotSupported } from '../../outcome.ts'
import { type Probe, randomContent, requireJson, wantHeader, wantStatus } from '../../probe.ts'
import { referrersFilterCases } from './referrers-filter.ts'

const LISTING = {
  group: 'specification',
  level: 'MUST',
  version: '1.1',
  section: 'Listing Referrers',
  feature: 'referrers',
  needs: ['manifest-push-by-digest', 'subject-missing'],
} as const
const LISTED = ['subject-missing', 'referrers-list', 'referrers-form']
const SUBJECT = { ...LISTING, section: 'Push', needs: ['manifest-push-by-digest'] } as const

const subjectCases: readonly Case[] = [
  {
    ...SUBJECT,
    id: 'subject-missing',
    title: 'a manifest whose subject does not exist is accepted',
    sentence:
      'A registry MUST initially accept an otherwise valid manifest with a `subject` field that references a manifest that does not exist in the repository, allowing clients to push a manifest and referrers to that manifest in either order.',
    async run(probe) {
      const referrer = await makeReferrer(probe, await absentSubject())
      wantStatus(await offerManifest(probe, referrer), 201)
      await wantPullable(probe, referrer)
    },
  },
  {
    ...SUBJECT,
    id: 'subject-header',
    title: 'the response to a push confirms the subject',
    section: 'Pushing Manifests with Subject',
    sentence:
      'When processing a request for an image manifest with the `subject` field, a registry implementation that supports the referrers API MUST respond with the response header `OCI-Subject: <subject digest>`',
    needs: LISTED,
    async run(probe) {
      const subject = descriptorOf(await pushArtifact(probe))
      const referrer = await makeReferrer(probe, subject)
      const pushed = await pushManifest(probe, referrer)
      await readReferrers(probe, referrersTarget(probe, subject.digest))
      wantHeader(pushed, 'oci-subject', subject.digest)
      wantHeader(await pushManifest(probe, referrer, 'by-tag'), 'oci-subject', subject.digest)
    },
  },
]

const listCases: readonly Case[] = [
  {
    ...LISTING,
    id: 'referrers-list',
    title: 'the referrers of a manifest are listed',
    sentence: 'Assuming a repository is found, this request MUST return a `200 OK` response code.',
    async run(probe) {
      const subject = descriptorOf(await pushArtifact(probe))
      const pushed = await pushManifest(probe, await makeReferrer(probe, subject))
      const answer = await probe.send({ method: 'GET', target: referrersTarget(probe, subject.digest) })
      if (answer.status === 404 && !pushed.headers.has('oci-subject'))
        throw new NotSupported('referrers are not listed (404)')
      wantStatus(answer, 200)
    },
  },
  {
    ...LISTING,
    id: 'referrers-form',
    title: 'referrers are listed as an index of descriptors',
    sentence:
      'Upon success, the response MUST be a JSON body with an image index containing a list of descriptors.',
    needs: ['subject-missing', 'referrers-list'],
    async run(probe) {
      const { subject } = await pushReferrer(probe)
      const answer = await probe.send({ method: 'GET', target: referrersTarget(probe, subject.digest) })
      const descriptors = referrersOf(answer)
      const body = requireJson(answer)
      if (!isObject(body) || body.schemaVersion !== 2 || body.mediaType !== MEDIA_TYPES.ociIndex)
        throw new Failure(`schemaVersion 2 and mediaType ${MEDIA_TYPES.ociIndex}`, JSON.stringify(body))
      const odd = descriptors.find((each) => !isObject(each) || typeof each.mediaType !== 'string')
      if (odd !== undefined) throw new Failure('descriptors', JSON.stringify(odd))
    },
  },
  {
    ...LISTING,
    id: 'referrers-content-type',
    title: 'the list of referrers has the media type of an index',
    sentence: 'The `Content-Type` header MUST be set to `application/vnd.oci.image.index.v1+json`.',
    needs: LISTED,
    async run(probe) {
      const { subject } = await pushReferrer(probe)
      const { answer } = await readReferrers(probe, referrersTarget(probe, subject.digest))
      wantHeader(answer, 'content-type', MEDIA_TYPES.ociIndex)
    },
  },
  {
    ...LISTING,
    id: 'referrers-descriptor',
    title: 'a referrer is listed with its digest, size and media type',
    sentence:
      'Each descriptor is of an image manifest or index in the same `<name>` namespace with a `subject` field that specifies the value of `<digest>`.',
    needs: LISTED,
    async run(probe) {
      const { subject, referrer } = await pushReferrer(probe)
      await pushReferrer(probe)
      const list = await readAllReferrers(probe, subject.digest)
      const wanted = JSON.stringify(descriptorOf(referrer))
      const found = list.map(({ mediaType, digest, size }) => JSON.stringify({ mediaType, digest, size }))
      if (found.join() !== wanted) throw new Failure(wanted, found.join() || 'none')
    },
  },
  {
    ...LISTING,
    id: 'referrers-of-repository',
    title: 'a referrer of another repository is not listed',
    sentence: 'Each descriptor is of an image manifest or index in the same `<name>` namespace',
    needs: LISTED,
    async run(probe) {
      const { subject } = await pushReferrer(probe)
      const index = await makeIndex([], { subject, annotations: { elsewhere: crypto.randomUUID() } })
      wantStatus(await offerManifest(probe, index, index.digest, probe.otherRepository), 201)
      const list = await readAllReferrers(probe, subject.digest)
      if (list.some(({ digest }) => digest === index.digest))
        throw new Failure('1 referrer', 'another one, too')
    },
  },
  {
    ...LISTING,
    id: 'referrers-before-subject',
    title: 'a referrer that was pushed before its subject is listed',
    section: 'Enabling the Referrers API',
    sentence:
      'After the referrers API is enabled, Registries MUST include all newly pushed image manifests with a valid `subject` field in the referrers API response.',
    needs: LISTED,
    async run(probe) {
      const subject = await makeArtifact(probe)
      const referrer = await makeReferrer(probe, descriptorOf(subject))
      await pushManifest(probe, referrer)
      await requireReferrer(probe, subject.digest, referrer)
      await pushManifest(probe, subject)
      await requireReferrer(probe, subject.digest, referrer)
    },
  },
  {
    ...LISTING,
    id: 'referrers-artifact-type',
    title: 'a referrer is listed with its type',
    sentence:
      'The descriptors MUST include an `artifactType` field that is set to the value of the `artifactType` in the image manifest or index, if present.',
    needs: LISTED,
    async run(probe) {
      const artifactType = 'application/vnd.example.sbom'
      await wantType(probe, await makeReferrer(probe, await absentSubject(), { artifactType }), artifactType)
    },
  },
  {
    ...LISTING,
    id: 'referrers-artifact-type-of-index',
    title: 'an index that has a subject is listed with its type',
    sentence:
      'The descriptors MUST include an `artifactType` field that is set to the value of the `artifactType` in the image manifest or index, if present.',
    needs: LISTED,
    async run(probe) {
      const artifactType = 'application/vnd.example.sboms'
      await wantType(
        probe,
        await makeIndex([], { subject: await absentSubject(), artifactType }),
        artifactType,
      )
    },
  },
  {
    ...LISTING,
    id: 'referrers-artifact-type-of-config',
    title: 'a referrer without an artifactType is listed with the media type of its config',
    sentence:
      'If the `artifactType` is empty or missing in the image manifest, the value of `artifactType` MUST be set to the config descriptor `mediaType` value.',
    needs: LISTED,
    async run(probe) {
      const mediaType = 'application/vnd.example.config'
      const config = { ...(await pushEmpty(probe)), mediaType }
      for (const artifactType of [undefined, '']) {
        const subject = await absentSubject()
        await wantType(probe, await makeReferrer(probe, subject, { config, artifactType }), mediaType)
      }
    },
  },
  {
    ...LISTING,
    id: 'referrers-artifact-type-none',
    title: 'an index without an artifactType is listed without one',
    sentence: 'If the `artifactType` is empty or missing in an index, the `artifactType` MUST be omitted.',
    needs: LISTED,
    async run(probe) {
      await wantType(probe, await makeIndex([], { subject: await absentSubject() }), undefined)
    },
  },
  {
    ...LISTING,
    id: 'referrers-annotations',
    title: 'a referrer is listed with its annotations',
    sentence: 'The descriptors MUST include annotations from the image manifest or index.',
    needs: LISTED,
    async run(probe) {
      const annotations = {
        'org.example.one': '1',
        'org.example.long': 'x'.repeat(1000),
        'no domain': '\u{1f433}',
      }
      const index = await makeIndex([], { subject: await absentSubject(), annotations })
      const artifact = await makeReferrer(probe, await absentSubject(), { annotations })
      for (const referrer of [index, artifact]) {
        const found = (await pushAndFind(probe, referrer)).annotations ?? {}
        const missing = Object.entries(annotations).find(([key, value]) => found[key] !== value)
        if (missing !== undefined) throw new Failure(`the annotation ${missing}`, JSON.stringify(found))
      }
    },
  },
  {
    ...LISTING,
    id: 'referrers-empty',
    title: 'a manifest without referrers has an empty list',
    sentence: 'If a query results in no matching referrers, an empty manifest list MUST be returned.',
    needs: LISTED,
    async run(probe) {
      const { digest } = await pushArtifact(probe)
      const found = await readAllReferrers(probe, digest)
      if (found.length > 0) throw new Failure('no referrers', JSON.stringify(found))
    },
  },
  {
    ...LISTING,
    id: 'referrers-found',
    title: 'the list of referrers never returns 404, even in an unknown repository',
    sentence:
      'If the registry supports the referrers API, the registry MUST NOT return a `404 Not Found` to a referrers API requests.',
    needs: LISTED,
    async run(probe) {
      const digest = await digestOf(randomContent(32))
      const { status } = await probe.send({ method: 'GET', target: referrersTarget(probe, digest) })
      if (status === 404) throw new Failure('no 404', '404')
    },
  },
  {
    ...LISTING,
    id: 'referrers-malformed-digest',
    title: 'a request for the referrers of a malformed digest is rejected',
    sentence:
      'If the request is invalid, such as a `<digest>` with an invalid syntax, a `400 Bad Request` MUST be returned.',
    needs: LISTED,
    async run(probe) {
      await pushReferrer(probe)
      for (const digest of ['sha256:no-hexadecimal', 'latest'])
        wantStatus(await probe.send({ method: 'GET', target: referrersTarget(probe, digest) }), 400)
    },
  },
]

/** The one case that needs a long list. */
export const longReferrerCases: readonly Case[] = [
  {
    ...LISTING,
    id: 'referrers-pages',
    title: 'a long list of referrers is split into linked pages, with each referrer once',
    sentence:
      'A `Link` header MUST be included in the response when the descriptor list cannot be returned in a single manifest. Each response is an image index with different descriptors in the `manifests` field.',
    needs: LISTED,
    async run(probe) {
      const subject = await absentSubject()
      const pushed: string[] = []
      for (const name of ['one', 'two', 'three', 'four', 'five']) {
        const annotations = { [name]: 'x'.repeat(900_000) }
        const referrer = await makeIndex([], { subject, annotations })
        await pushManifest(probe, referrer)
        pushed.push(referrer.digest)
      }
      const pages = await readPages(probe, referrersTarget(probe, subject.digest), referrersOf)
      const found = pages.flatMap(({ items }) => items.map(({ digest }) => digest))
      if (found.sort().join() !== pushed.sort().join())
        throw new Failure(`${pushed.length} referrers, each once`, `${found.length} on ${pages.length} pages`)
    },
  },
]

/** A descriptor of a manifest that nobody pushed. */
async function absentSubject(): Promise<ProbeDescriptor> {
  return { mediaType: MEDIA_TYPES.ociManifest, digest: await digestOf(randomContent(32)), size: 1234 }
}

async function makeReferrer(
  probe: Probe,
  subject: ProbeDescriptor,
  fields: object = {},
): Promise<ProbeManifest> {
  return await makeArtifact(probe, { subject, ...fields })
}

async function pushReferrer(probe: Probe): Promise<{ subject: ProbeDescriptor; referrer: ProbeManifest }> {
  const subject = descriptorOf(await pushArtifact(probe))
  const referrer = await makeReferrer(probe, subject)
  await pushManifest(probe, referrer)
  return { subject, referrer }
}

async function requireReferrer(
  probe: Probe,
  subject: string,
  { digest }: ProbeManifest,
): Promise<ProbeDescriptor> {
  const list = await readAllReferrers(probe, subject)
  const found = list.find((each) => each.digest === digest)
  if (found === undefined) throw new Failure(`the referrer ${digest}`, `${list.length} others`)
  return found
}

async function pushAndFind(probe: Probe, referrer: ProbeManifest): Promise<ProbeDescriptor> {
  await pushManifest(probe, referrer)
  const { subject } = JSON.parse(new TextDecoder().decode(referrer.bytes))
  return await requireReferrer(probe, subject.digest, referrer)
}

async function wantType(probe: Probe, referrer: ProbeManifest, wanted: string | undefined): Promise<void> {
  const { artifactType } = await pushAndFind(probe, referrer)
  if (artifactType !== wanted)
    throw new Failure(wanted === undefined ? 'no artifactType' : `artifactType ${wanted}`, `${artifactType}`)
}

/** Cases of manifests that refer to others, and of listing them. */
export const referrerCases: readonly Case[] = [...subjectCases, ...listCases, ...referrersFilterCases]
