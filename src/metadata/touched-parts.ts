import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Command, Commands, Outcome } from './command.ts'

/** Which repositories are being deleted, or were. */
export const DELETIONS = '*deletions'

/**
 * A part of the store that readers cache in memory: the content of a repository, the data of a digest in all repositories, or the
 * deletions of repositories.
 */
export type Part = RepositoryName | Digest | typeof DELETIONS

type PartsOf<Type extends keyof Commands> = (
  command: Commands[Type]['command'],
  outcome: Commands[Type]['outcome'],
) => readonly Part[]

/**
 * Readers cache nothing that these commands change: uploads, counts, pulls, garbage, jobs, and rows that no answer takes into account.
 */
const nothing = (): readonly Part[] => []

/** For a command that has either changed one repository or nothing. */
function repositoryIf(done: string) {
  return ({ repository }: { repository: RepositoryName }, { result }: { result: string }): readonly Part[] =>
    result === done ? [repository] : []
}

/** For a sweep, whose result names the repositories that it changed. */
const repositories = (_: unknown, outcome: { repositories: readonly RepositoryName[] }): readonly Part[] =>
  outcome.repositories

/** The location of its content may have changed, for every repository that has it. */
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
  // It only changes since when the blob is unused, which is read together with the blob.
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
  dropHiddenTags: nothing,
  deleteRepository: ({ repository }, { result }) => (result === 'deleted' ? [repository, DELETIONS] : []),
  dropDeletedRepositories: (_, { more }) => (more ? [DELETIONS] : []),
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
  // The record of a deletion goes with the last change of its repository.
  pruneChanges: (_, { count }) => (count > 0 ? [DELETIONS] : []),
  saveCounts: nothing,
  forgetGarbage: nothing,
  reserveProbe: nothing,
  leaseJob: nothing,
  releaseJob: nothing,
  recordRun: nothing,
  shrinkStore: nothing,
}

/**
 * The parts of the store in which a command has changed something that readers cache, depending on its outcome. Cached reads of all other
 * parts are still valid.
 */
export function touchedParts(command: Command, outcome: Outcome): readonly Part[] {
  const parts = TOUCHED[command.type] as (command: Command, outcome: Outcome) => readonly Part[]
  return parts(command, outcome)
}
