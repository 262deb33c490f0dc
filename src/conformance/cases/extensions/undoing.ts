import { digestOf } from '../../../client/hasher.ts'
import { askForBlob } from '../../blob.ts'
import type { Case } from '../../case.ts'
import {
  descriptorOf,
  makeImage,
  makeIndex,
  makeManifest,
  type ProbeManifest,
  pullManifest,
  pushArtifact,
  pushManifest,
  wantPullable,
} from '../../manifest.ts'
import { type Probe, randomContent, wantStatus } from '../../probe.ts'
import {
  type Asking,
  ask,
  deleteAt,
  type JsonObject,
  jsonOf,
  listEntries,
  needStowage,
  partsOf,
  wantBadFields,
  wantField,
  wantRefusal,
} from '../../stowage.ts'

const ROLLBACK = 'tags/rollback'
const UNDELETE = 'manifests/undelete'
const PURGE = 'manifests/purge'

const CASE = { group: 'extensions', level: 'MUST', version: '1.1' } as const
const OF_ROLLBACK = {
  ...CASE,
  feature: 'tag rollback',
  section: 'Stowage, "Tag rollback"',
  needs: ['tag-rollback'],
} as const
const OF_UNDELETE = {
  ...CASE,
  feature: 'manifest undelete',
  section: 'Stowage, "Undelete"',
  needs: ['manifest-undelete'],
} as const
const OF_PURGE = {
  ...CASE,
  feature: 'manifest purge',
  section: 'Stowage, "Purge"',
  needs: ['manifest-purge'],
} as const

const rollbackCases: readonly Case[] = [
  {
    ...OF_ROLLBACK,
    id: 'tag-rollback',
    title: 'a tag can be set back to a manifest that it pointed to before',
    sentence: 'Sets a tag back to an earlier manifest, in one step.',
    needs: ['manifest-push-by-tag', 'manifest-pull-by-tag'],
    async run(probe) {
      const older = await pushArtifact(probe, 'v1')
      await needStowage(probe, ROLLBACK)
      const newer = await pushArtifact(probe, 'v1')
      const body = jsonOf(await rollBack(probe, { tag: 'v1', to: older.digest }))
      wantField(body, 'old', newer.digest)
      wantField(body, 'new', older.digest)
      await wantPullable(probe, older, 'v1')
    },
  },
  {
    ...OF_ROLLBACK,
    id: 'tag-rollback-revision',
    title: 'a tag can be set back to its value at a revision, even if it was removed since',
    sentence:
      'Or a revision of the repository. With a revision, the tag points to what it pointed to at that revision. [...] if it was removed, it is created again',
    needs: [...OF_ROLLBACK.needs, 'tag-history', 'tag-delete'],
    async run(probe) {
      const artifact = await pushArtifact(probe, 'v1')
      const [{ revision } = {}] = await listEntries(probe, 'tags/history', {
        field: 'history',
        query: '?tag=v1',
      })
      await deleteAt(probe, 'manifests/v1')
      const body = jsonOf(await rollBack(probe, { tag: 'v1', to: revision }))
      wantField(body, 'old', undefined)
      await wantPullable(probe, artifact, 'v1')
    },
  },
  {
    ...OF_ROLLBACK,
    id: 'tag-rollback-condition',
    title: 'a tag that another client has moved in the meantime is not changed',
    sentence:
      'With `If-Match`, the tag is set only if it points to one of these digests now, so a push by another client in between is not lost.',
    async run(probe) {
      const older = await pushArtifact(probe, 'v1')
      const newer = await pushArtifact(probe, 'v1')
      const rollback = { tag: 'v1', to: older.digest }
      wantRefusal(await rollBack(probe, rollback, { 'If-Match': `"${older.digest}"` }), 412)
      await wantPullable(probe, newer, 'v1')
      jsonOf(await rollBack(probe, rollback, { 'If-Match': `"${newer.digest}"` }))
      await wantPullable(probe, older, 'v1')
    },
  },
  {
    ...OF_ROLLBACK,
    id: 'tag-rollback-gone',
    title: 'a tag is not rolled back to a manifest that no longer exists or never existed',
    sentence: 'The manifest must still exist. If it was deleted, the error names it',
    needs: [...OF_ROLLBACK.needs, 'manifest-delete'],
    async run(probe) {
      const older = await pushArtifact(probe, 'v1')
      const newer = await pushArtifact(probe, 'v1')
      await deleteAt(probe, `manifests/${older.digest}`)
      wantRefusal(await rollBack(probe, { tag: 'v1', to: older.digest }), 409)
      const unknown = await digestOf(randomContent(32))
      wantRefusal(await rollBack(probe, { tag: 'v1', to: unknown }), 404, 'MANIFEST_UNKNOWN')
      await wantPullable(probe, newer, 'v1')
    },
  },
  {
    ...OF_ROLLBACK,
    id: 'tag-rollback-bad-body',
    title: 'a wrong body of a rollback is rejected, and the error names the field',
    sentence: 'The body is wrong, or the revision is in the future; `detail.field` names the field',
    async run(probe) {
      const { digest } = await pushArtifact(probe, 'v1')
      await wantBadFields(probe, ROLLBACK, [
        ['tag', { to: digest }],
        ['tag', { tag: '-', to: digest }],
        ['to', { tag: 'v1' }],
        ['to', { tag: 'v1', to: 'v2' }],
        ['to', { tag: 'v1', to: 999_999 }],
      ])
      await wantJsonOnly(probe, ROLLBACK)
    },
  },
]

const undeleteCases: readonly Case[] = [
  {
    ...OF_UNDELETE,
    id: 'manifest-undelete',
    title: 'a deleted manifest can be restored with the content that it names, without its tags',
    sentence:
      'During that time, this endpoint restores it. [...] Tags are not restored automatically: `previousTags` lists the tags that the manifest had when it was deleted.',
    needs: ['manifest-push-by-tag', 'manifest-delete'],
    async run(probe) {
      const image = await makeImage(probe)
      await pushManifest(probe, image, 'v1')
      await needStowage(probe, UNDELETE)
      await deleteAt(probe, `manifests/${image.digest}`)
      const body = jsonOf(await post(probe, UNDELETE, { digest: image.digest }))
      wantField(body, 'tags', [])
      wantField(body, 'previousTags', ['v1'])
      await wantPullable(probe, image)
      wantStatus(await askForBlob(probe, partsOf(image).layer), 200)
      wantStatus(await pullManifest(probe, 'v1'), 404)
    },
  },
  {
    ...OF_UNDELETE,
    id: 'manifest-undelete-tags',
    title: 'a restored manifest gets the requested tags',
    sentence: 'Tags to set to this manifest, whatever they point to now; none if absent.',
    async run(probe) {
      const older = await pushArtifact(probe, 'v1')
      await deleteAt(probe, `manifests/${older.digest}`)
      await pushArtifact(probe, 'v1')
      const body = jsonOf(await post(probe, UNDELETE, { digest: older.digest, tags: ['v1', 'old'] }))
      wantField(body, 'tags', ['v1', 'old'])
      for (const tag of ['v1', 'old']) await wantPullable(probe, older, tag)
    },
  },
  {
    ...OF_UNDELETE,
    id: 'manifest-undelete-index',
    title: 'an index is restored with the manifests below it',
    sentence: 'Deleted manifests below it are restored with it',
    async run(probe) {
      const child = await pushArtifact(probe)
      const index = await makeIndex([descriptorOf(child)])
      await pushManifest(probe, index)
      for (const { digest } of [index, child]) await deleteAt(probe, `manifests/${digest}`)
      jsonOf(await post(probe, UNDELETE, { digest: index.digest }))
      await wantPullable(probe, child)
    },
  },
  {
    ...OF_UNDELETE,
    id: 'manifest-undelete-missing',
    title: 'a manifest whose content is gone cannot be restored, and the error names the missing content',
    sentence:
      'Content that the manifest names is gone because it was deleted too; each `detail.digest` names one such blob or manifest',
    needs: [...OF_UNDELETE.needs, 'blob-delete'],
    async run(probe) {
      const image = await makeImage(probe)
      await pushManifest(probe, image)
      const { layer } = partsOf(image)
      await deleteAt(probe, `manifests/${image.digest}`)
      await deleteAt(probe, `blobs/${layer}`)
      const { detail } = wantRefusal(await post(probe, UNDELETE, { digest: image.digest }), 409)
      wantField(detail as JsonObject | undefined, 'digest', layer)
      wantStatus(await pullManifest(probe, image.digest), 404)
    },
  },
  {
    ...OF_UNDELETE,
    id: 'manifest-undelete-refused',
    title: 'a manifest that exists, or never existed, cannot be restored',
    sentence: 'The manifest is not deleted',
    async run(probe) {
      const { digest } = await pushArtifact(probe)
      wantRefusal(await post(probe, UNDELETE, { digest }), 409)
      const unknown = { digest: await digestOf(randomContent(32)) }
      wantRefusal(await post(probe, UNDELETE, unknown), 404, 'MANIFEST_UNKNOWN')
    },
  },
  {
    ...OF_UNDELETE,
    id: 'manifest-undelete-bad-body',
    title: 'a wrong body of an undelete is rejected, and the error names the field',
    sentence: 'The body is wrong; `detail.field` names the field',
    async run(probe) {
      const { digest } = await pushArtifact(probe)
      await wantBadFields(probe, UNDELETE, [
        ['digest', {}],
        ['digest', { digest: 'latest' }],
        ['tags', { digest, tags: 'v1' }],
        ['tags', { digest, tags: ['-'] }],
      ])
      await wantJsonOnly(probe, UNDELETE)
    },
  },
]

const purgeCases: readonly Case[] = [
  {
    ...OF_PURGE,
    id: 'manifest-purge',
    title: 'a purged manifest is gone for good, with the content that only it named',
    sentence:
      'Deletes a manifest for good [...] A purge also removes its tags, and the links to all content that no other manifest of the repository names',
    needs: ['manifest-push-by-tag'],
    async run(probe) {
      const image = await makeImage(probe)
      await pushManifest(probe, image, 'v1')
      await needStowage(probe, PURGE)
      await purge(probe, image)
      for (const reference of [image.digest, 'v1']) wantStatus(await pullManifest(probe, reference), 404)
      for (const digest of Object.values(partsOf(image))) wantStatus(await askForBlob(probe, digest), 404)
    },
  },
  {
    ...OF_PURGE,
    id: 'manifest-purge-final',
    title: 'a manifest that was deleted and then purged cannot be restored',
    sentence: 'The manifest may already be deleted. [...] A purge cannot be undone.',
    needs: [...OF_PURGE.needs, 'manifest-undelete'],
    async run(probe) {
      const artifact = await pushArtifact(probe)
      await deleteAt(probe, `manifests/${artifact.digest}`)
      await purge(probe, artifact)
      wantRefusal(await post(probe, UNDELETE, { digest: artifact.digest }), 404, 'MANIFEST_UNKNOWN')
    },
  },
  {
    ...OF_PURGE,
    id: 'manifest-purge-deleted',
    title: 'purging an index that was deleted with its images also removes the content that was kept for it',
    sentence:
      'The manifest may already be deleted. A purge also removes its tags, and the links to all content that no other manifest of the repository names',
    needs: [...OF_PURGE.needs, 'manifest-delete'],
    async run(probe) {
      const image = await makeImage(probe)
      await pushManifest(probe, image)
      const index = await makeIndex([descriptorOf(image)])
      await pushManifest(probe, index, 'v1')
      for (const { digest } of [index, image]) await deleteAt(probe, `manifests/${digest}`)
      for (const each of [index, image]) await purge(probe, each)
      for (const digest of Object.values(partsOf(image))) wantStatus(await askForBlob(probe, digest), 404)
    },
  },
  {
    ...OF_PURGE,
    id: 'manifest-purge-shared',
    title: 'a purge keeps content that another manifest names',
    sentence: 'Content that another manifest names stays in this one',
    async run(probe) {
      const image = await makeImage(probe)
      await pushManifest(probe, image)
      const fields = JSON.parse(new TextDecoder().decode(image.bytes)) as object
      const twin = await makeManifest({ ...fields, annotations: { twin: probe.repository } })
      await pushManifest(probe, twin)
      await purge(probe, image)
      wantStatus(await askForBlob(probe, partsOf(twin).layer), 200)
      await wantPullable(probe, twin)
    },
  },
  {
    ...OF_PURGE,
    id: 'manifest-purge-refused',
    title: 'a manifest that an index needs cannot be purged, nor can an unknown one',
    sentence: 'Another manifest of the repository names it',
    async run(probe) {
      const child = await pushArtifact(probe)
      await pushManifest(probe, await makeIndex([descriptorOf(child)]), 'v1')
      const query = `?digest=${child.digest}`
      wantRefusal(await ask(probe, PURGE, { method: 'DELETE', query }), 405)
      await wantPullable(probe, child)
      const unknown = { method: 'DELETE', query: `?digest=${await digestOf(randomContent(32))}` } as const
      wantRefusal(await ask(probe, PURGE, unknown), 404, 'MANIFEST_UNKNOWN')
      for (const bad of ['', '?digest=latest'])
        wantRefusal(await ask(probe, PURGE, { method: 'DELETE', query: bad }), 400)
    },
  },
]

/** Cases of what is undone, and of what can not be. */
export const undoingCases: readonly Case[] = [...rollbackCases, ...undeleteCases, ...purgeCases]

async function post(probe: Probe, path: string, json: object, headers?: Asking['headers']) {
  return await ask(probe, path, { method: 'POST', json, ...(headers && { headers }) })
}

async function rollBack(probe: Probe, json: object, headers?: Asking['headers']) {
  return await post(probe, ROLLBACK, json, headers)
}

async function purge(probe: Probe, { digest }: ProbeManifest): Promise<void> {
  wantStatus(await ask(probe, PURGE, { method: 'DELETE', query: `?digest=${digest}` }), 202)
}

async function wantJsonOnly(probe: Probe, path: string): Promise<void> {
  const headers = { 'Content-Type': 'text/plain' }
  wantRefusal(await post(probe, path, {}, headers), 415)
}
