import type { Case } from '../../case.ts'
import { ACCEPT, manifestTarget, pushArtifact, wantPullable } from '../../manifest.ts'
import { Failure } from '../../outcome.ts'
import { wantHeader, wantStatus } from '../../probe.ts'
import {
  ask,
  entriesOf,
  jsonOf,
  wantBadParameters,
  wantField,
  wantRefusal,
  wantState,
  wantValues,
} from '../../stowage.ts'

const PATH = 'manifests/list'
const OWN = 'application/vnd.stowage.manifests.v1+json'
const INDEX = 'application/vnd.oci.image.index.v1+json'
const REF_NAME = 'org.opencontainers.image.ref.name'

const LIST = {
  group: 'extensions',
  level: 'MUST',
  version: '1.1',
  section: 'Stowage, "Manifest list"',
  feature: 'manifest list',
  needs: ['manifest-list'],
} as const

const stateCases: readonly Case[] = [
  {
    ...LIST,
    section: 'Stowage, "Extensions"',
    id: 'manifest-list-etag',
    title: 'an unchanged list returns 304 for its ETag',
    sentence:
      'A list has an `ETag` that stays the same until the listed content changes. As long as it is the same, a request with `If-None-Match` is answered with `304`. `HEAD` returns the `ETag`.',
    async run(probe) {
      await pushArtifact(probe, 'v1')
      await wantState(probe, PATH)
    },
  },
  {
    ...LIST,
    section: 'Stowage, "Extensions"',
    id: 'manifest-list-etag-changes',
    title: 'a push, a tag and a deletion give a list another ETag, which no earlier one had',
    sentence: 'A list has an `ETag` that stays the same until the listed content changes.',
    needs: [...LIST.needs, 'manifest-list-etag', 'tag-delete'],
    async run(probe) {
      await pushArtifact(probe, 'v1')
      const first = await wantState(probe, PATH)
      await pushArtifact(probe, 'v2')
      const second = await wantState(probe, PATH)
      wantStatus(await probe.send({ method: 'DELETE', target: manifestTarget(probe, 'v2') }), 202)
      const third = await wantState(probe, PATH)
      if (new Set([first, second, third]).size < 3)
        throw new Failure('three ETags', [first, second, third].join())
    },
  },
  {
    ...LIST,
    section: 'Stowage, "Extensions"',
    id: 'manifest-list-etag-query',
    title: 'each query and each media type has its own ETag',
    sentence: 'Each query and each media type has its own `ETag`.',
    needs: [...LIST.needs, 'manifest-list-etag'],
    async run(probe) {
      await pushArtifact(probe, 'v1')
      const etag = await wantState(probe, PATH)
      const conditional = { 'If-None-Match': etag }
      wantStatus(await ask(probe, PATH, { query: '?untagged=true', headers: conditional }), 200)
      wantStatus(await ask(probe, PATH, { headers: { ...conditional, Accept: INDEX } }), 200)
    },
  },
  {
    ...LIST,
    id: 'manifest-list-etag-pulls',
    title: 'a list that shows, filters or sorts by pulls has no ETag',
    sentence: 'The list has an `ETag`, unless it shows, filters or sorts by pulls.',
    async run(probe) {
      await pushArtifact(probe, 'v1')
      for (const query of ['?fields=pulledAt', '?sort=pulled', '?pulledBefore=2000-01-01T00:00:00Z']) {
        const listed = await ask(probe, PATH, { query })
        wantStatus(listed, 200)
        if (listed.headers.has('ETag')) throw new Failure(`no ETag for ${query}`, 'one')
      }
    },
  },
]

const formCases: readonly Case[] = [
  {
    ...LIST,
    section: 'Stowage, "Extensions"',
    id: 'manifest-list-media-type',
    title: 'the list is sent in the requested media type, or the request is rejected',
    sentence:
      'Each answer has its own media type [...] A client that accepts this type, or any type, gets it. A client that accepts only `application/json` gets the same answer under that name. [...] a client that names the one it knows gets that or `406`.',
    async run(probe) {
      await pushArtifact(probe, 'v1')
      for (const [accept, type] of [
        ['*/*', OWN],
        [OWN, OWN],
        ['application/json', 'application/json'],
      ] as const)
        wantHeader(await ask(probe, PATH, { headers: { Accept: accept } }), 'Content-Type', type)
      const other = OWN.replace('.v1', '.v999')
      wantRefusal(await ask(probe, PATH, { headers: { Accept: other } }), 406)
    },
  },
  {
    ...LIST,
    id: 'manifest-list-index',
    title: 'the list is an OCI index if the client accepts one',
    sentence:
      'For `Accept: application/vnd.oci.image.index.v1+json` the same list is an OCI index [...] A manifest with several tags is listed once for each of them',
    async run(probe) {
      const artifact = await pushArtifact(probe, 'v1')
      await pushArtifact(probe)
      const listed = await ask(probe, PATH, { headers: { Accept: INDEX } })
      wantHeader(listed, 'Content-Type', INDEX)
      const body = jsonOf(listed)
      wantField(body, 'schemaVersion', 2)
      const [tagged, untagged] = entriesOf(body, 'manifests')
      wantField(tagged, 'digest', artifact.digest)
      wantField(tagged, 'size', artifact.size)
      wantField(tagged, 'annotations', {
        ...(JSON.parse(new TextDecoder().decode(artifact.bytes)) as { annotations: object }).annotations,
        [REF_NAME]: 'v1',
      })
      if (JSON.stringify(untagged).includes(REF_NAME))
        throw new Failure('a manifest without a tag', 'one with a tag')
    },
  },
  {
    ...LIST,
    id: 'manifest-list-proposed-path',
    title: 'the list is also at the proposed path, and a tag named "list" still works',
    sentence:
      'The list is also at `/v2/<name>/manifests/list`, if `Accept` is our media type and nothing else. In all other requests, that path is the tag `list`.',
    async run(probe) {
      const artifact = await pushArtifact(probe, 'list')
      const target = manifestTarget(probe, 'list')
      const listed = await probe.send({ method: 'GET', target, headers: { Accept: OWN } })
      const found = entriesOf(jsonOf(listed), 'manifests').map(({ digest }) => digest)
      wantValues(found, [artifact.digest], 'of the only manifest')
      await wantPullable(probe, artifact, 'list')
      const both = await probe.send({ method: 'GET', target, headers: { Accept: `${OWN}, ${ACCEPT}` } })
      wantHeader(both, 'Content-Type', artifact.mediaType)
    },
  },
  {
    ...LIST,
    id: 'manifest-list-bad-parameter',
    title: 'a wrong parameter is rejected, and the error names it',
    sentence: 'A parameter is wrong; `detail.parameter` names it.',
    async run(probe) {
      await pushArtifact(probe, 'v1')
      await wantBadParameters(probe, PATH, {
        tag: '?tag=v[1',
        untagged: '?untagged=yes',
        annotation: '?annotation=',
        labelSelector: '?labelSelector=build%20is%20nightly',
        subject: '?subject=sha256:0',
        platform: '?platform=linux/',
        pushedBefore: '?pushedBefore=yesterday',
        pushedAfter: '?pushedAfter=2026-13-01T00:00:00Z',
        pulledBefore: '?pulledBefore=1',
        sort: '?sort=name',
        fields: '?fields=all',
        n: '?n=-1',
        cursor: '?cursor=x',
      })
    },
  },
  {
    ...LIST,
    id: 'manifest-list-unknown',
    title: 'an unknown repository has no list',
    sentence: 'The repository does not exist.',
    async run(probe) {
      wantRefusal(await ask(probe, PATH, { repository: probe.otherRepository }), 404, 'NAME_UNKNOWN')
    },
  },
]

/** Cases of what a list is sent as, of its state, and of what is refused. */
export const manifestFormCases: readonly Case[] = [...stateCases, ...formCases]
