import type { Job } from '../jobs/job.ts'
import type { Actor } from '../metadata/actor.ts'
import type { RepositoryDeletion } from '../metadata/repositories.ts'
import { RegistryError } from '../oci/error.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { RegistryParts } from './parts.ts'
import { nameUnknown } from './repositories.ts'

const BATCH = 500

/** Refuses to push to a repository that is being deleted. @throws RegistryError REPOSITORY_DELETING */
export async function refuseDeleting(parts: RegistryParts, repository: RepositoryName): Promise<void> {
  const deletion = await parts.metadata.repositories.deletion(repository)
  if (deletion !== undefined && deletion.finished === undefined)
    throw new RegistryError('REPOSITORY_DELETING')
}

/** The state of the most recent deletion of a repository with a name. @throws RegistryError NAME_UNKNOWN */
export async function findDeletion(parts: RegistryParts, name: RepositoryName): Promise<RepositoryDeletion> {
  const deletion = await parts.metadata.repositories.deletion(name)
  if (deletion !== undefined) return deletion
  const message = 'no repository with this name was deleted, as far back as the change log goes'
  throw new RegistryError('NAME_UNKNOWN', { message, details: [{ name }] })
}

/**
 * Deletes repositories, and removes their rows. A repository becomes invisible at once. Its rows, and those of many tags, are removed by a
 * job, step by step, between other writes.
 */
export class Remover {
  readonly #parts: RegistryParts
  #ask = () => {}
  /** Removes rows as soon as there are some. The sweep removes those that it leaves, for example because the process was killed. */
  readonly job: Job<{ rows: number }>

  constructor(parts: RegistryParts) {
    this.#parts = parts
    this.job = {
      name: 'deletion',
      scope: 'store',
      run: async (signal) => ({ rows: await dropDeleted(parts, signal) }),
      onWork: (ask) => {
        this.#ask = ask
      },
    }
  }

  /**
   * Deletes a repository with all of its content. If it is already being deleted, that is not an error.
   *
   * @throws RegistryError NAME_UNKNOWN
   */
  async delete(name: RepositoryName, actor: Actor): Promise<RepositoryDeletion> {
    const { metadata } = this.#parts
    const [outcome] = await metadata.commit([{ type: 'deleteRepository', actor, repository: name }])
    const deletion = await metadata.repositories.deletion(name)
    const isThere = outcome.result === 'deleted' || deletion?.finished === undefined
    if (deletion === undefined || !isThere) return nameUnknown(name)
    this.begin()
    return deletion
  }

  /** Asks for a run of the job. */
  begin(): void {
    this.#ask()
  }
}

/**
 * Removes the remaining rows of deleted repositories, and of tags that were deleted with their manifest, in small steps. @returns how many
 * rows it removed
 */
export async function dropDeleted(parts: RegistryParts, signal: AbortSignal): Promise<number> {
  let total = 0
  for (const type of ['dropHiddenTags', 'settleEdges', 'dropDeletedRepositories'] as const) {
    for (let more = true; more && !signal.aborted; ) {
      const [outcome] = await parts.metadata.commit([{ type, limit: BATCH }])
      total += outcome.count
      more = outcome.more
    }
  }
  return total
}
