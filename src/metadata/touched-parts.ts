import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Command, Commands, Outcome } from './command.ts'

/** A part of the store that readers keep in memory: what a repository has, or what is known of a digest in all repositories. */
export type Part = RepositoryName | Digest

type PartsOf<Type extends keyof Commands> = (
  command: Commands[Type]['command'],
  outcome: Commands[Type]['outcome'],
) => readonly Part[]

/** Readers keep nothing that these change: uploads, the change log, counts, pulls, garbage, and rows that no answer takes into account. */
const nothing = (): readonly Part[] => []

/** For a command that either has done its work in one repository, or has changed nothing. */
function repositoryIf(done: string) {
  return ({ repository }: { repository: RepositoryName }, { result }: { result: string }): readonly Part[] =>
    result === done ? [repository] : []
}

/** For a sweep, which says where it found something to do. */
const repositories = (_: unknown, outcome: { repositories: readonly RepositoryName[] }): readonly Part[] =>
  outcome.repositories

/** Its content may lie elsewhere from then on, for every repository that has it. */
function repositoryAndDigestIf(done: string) {
  return (
    { repository, digest }: { repository: RepositoryName; digest: Digest },
    { result }: { result: string },
  ): readonly Part[] => (result === done ? [repository, digest] : [])
}

const TOUCHED: { readonly [Type in keyof Commands]: PartsOf<Type> } = {
  putBlob: repositoryAndDigestIf('stored'),
  mountBlob: repositoryIf('mounted'),
  deleteBlob: repositoryIf('deleted'),
  // Only since when the blob is unused, which is read together with the blob.
  keepBlob: ({ digest }, { result }) => (result === 'kept' ? [digest] : []),
  collectBlobs: repositories,
  putManifest: repositoryAndDigestIf('stored'),
  deleteManifest: repositoryIf('deleted'),
  undeleteManifest: repositoryIf('restored'),
  purgeManifest: repositoryIf('purged'),
  expireDeleted: repositories,
  settleEdges: repositories,
  recordPulls: nothing,
  describeManifests: nothing,
  setTag: repositoryIf('set'),
  deleteTag: repositoryIf('deleted'),
  dropDoomedTags: nothing,
  deleteRepository: repositoryIf('deleted'),
  dropDeletedRepositories: nothing,
  openUpload: nothing,
  saveUpload: nothing,
  revertUpload: nothing,
  acknowledgeUpload: nothing,
  seizeUpload: nothing,
  reserveKey: nothing,
  moveUpload: nothing,
  releaseUpload: nothing,
  releaseLeases: nothing,
  endUpload: nothing,
  discardKey: nothing,
  expireUploads: nothing,
  pruneChanges: nothing,
  saveCounts: nothing,
  forgetGarbage: nothing,
  reserveProbe: nothing,
  shrinkStore: nothing,
}

/**
 * The parts of the store in which a command has changed something that readers keep, by what became of it. What they read of any other part
 * before is still so.
 */
export function touchedParts(command: Command, outcome: Outcome): readonly Part[] {
  const parts = TOUCHED[command.type] as (command: Command, outcome: Outcome) => readonly Part[]
  return parts(command, outcome)
}
