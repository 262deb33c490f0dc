import { askForBlob } from '../../blob.ts'
import type { Case } from '../../case.ts'
import { makeImage, pullManifest, pushArtifact, pushManifest, wantPullable } from '../../manifest.ts'
import { Failure } from '../../outcome.ts'
import { type Probe, wantStatus } from '../../probe.ts'
import {
  ask,
  type JsonObject,
  jsonOf,
  needStowage,
  partsOf,
  shown,
  wantField,
  wantRefusal,
  wantTime,
} from '../../stowage.ts'
import { locationOf } from '../../upload.ts'

const PATH = 'repository/self'
const ATTEMPTS = 200
const PAUSE = 50

const DELETION = {
  group: 'extensions',
  level: 'MUST',
  version: '1.1',
  section: 'Stowage, "Repository deletion"',
  feature: 'repository deletion',
  needs: ['repository-delete'],
} as const

/** Cases of repositories that are deleted. */
export const repositoryDeletionCases: readonly Case[] = [
  {
    ...DELETION,
    id: 'repository-delete',
    title: 'a repository can be deleted, and the response says where to get the progress',
    sentence: '`Location` reports the progress; once `state` is `deleted`, nothing is left.',
    needs: ['manifest-push-by-tag'],
    async run(probe) {
      await pushArtifact(probe, 'v1')
      await needStowage(probe, PATH)
      const status = await deleteWhole(probe)
      wantField(status, 'name', probe.repository)
      wantTime(status, 'deletedAt')
      wantTime(status, 'finishedAt')
    },
  },
  {
    ...DELETION,
    id: 'repository-delete-gone',
    title: 'nothing of a deleted repository is visible after the response',
    sentence: 'After this answer, the repository no longer exists for clients.',
    async run(probe) {
      const image = await makeImage(probe)
      await pushManifest(probe, image, 'v1')
      wantStatus(await ask(probe, PATH, { method: 'DELETE' }), 202)
      for (const reference of ['v1', image.digest]) wantStatus(await pullManifest(probe, reference), 404)
      wantStatus(await askForBlob(probe, partsOf(image).layer), 404)
      const tags = await probe.send({ method: 'GET', target: `/v2/${probe.repository}/tags/list` })
      wantRefusal(tags, 404, 'NAME_UNKNOWN')
    },
  },
  {
    ...DELETION,
    id: 'repository-delete-again',
    title: 'a name that is pushed to again is a new repository',
    sentence: 'After that, a push to the name creates a new repository',
    async run(probe) {
      const image = await makeImage(probe)
      await pushManifest(probe, image, 'v1')
      await deleteWhole(probe)
      const artifact = await pushArtifact(probe, 'v2')
      await wantPullable(probe, artifact, 'v2')
      wantStatus(await pullManifest(probe, 'v1'), 404)
      wantStatus(await askForBlob(probe, partsOf(image).config), 404)
    },
  },
  {
    ...DELETION,
    id: 'repository-delete-unknown',
    title: 'an unknown repository cannot be deleted and has no progress',
    sentence:
      'The repository does not exist; for `deletion`, no repository with this name was deleted, as far back as the change log goes',
    async run(probe) {
      wantRefusal(await ask(probe, PATH, { method: 'DELETE' }), 404, 'NAME_UNKNOWN')
      wantRefusal(await ask(probe, 'repository/deletion'), 404, 'NAME_UNKNOWN')
    },
  },
]

/** Deletes the repository of a case and waits until its name is free. @returns what is told of it then */
async function deleteWhole(probe: Probe): Promise<JsonObject> {
  const answer = await ask(probe, PATH, { method: 'DELETE' })
  wantStatus(answer, 202)
  const target = locationOf(probe, `/v2/${probe.repository}/_stowage/${PATH}`, answer)
  for (let count = 0; count < ATTEMPTS; count++) {
    const status = jsonOf(await probe.send({ method: 'GET', target }))
    if (status.state === 'deleted') return status
    if (status.state !== 'deleting') throw new Failure('"state" deleting or deleted', shown(status))
    await new Promise((resolve) => setTimeout(resolve, PAUSE))
  }
  throw new Failure('the end of the deletion', `none after ${(ATTEMPTS * PAUSE) / 1000} seconds`)
}
