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
 * Removes deleted repositories and tags. A repository becomes invisible at once. Its rows, and those of many tags, are removed step by
 * step, between other writes.
 */
export class Remover {
  readonly #parts: RegistryParts
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  #isAskedAgain = false

  constructor(parts: RegistryParts) {
    this.#parts = parts
  }

  /**
   * Deletes a repository with all of its content. If it is already being deleted, that is not an error.
   *
   * @throws RegistryError NAME_UNKNOWN
   */
  async delete(name: RepositoryName): Promise<RepositoryDeletion> {
    const { metadata, clock } = this.#parts
    const [outcome] = await metadata.commit([{ type: 'deleteRepository', repository: name, at: clock() }])
    const deletion = await metadata.repositories.deletion(name)
    const isThere = outcome.result === 'deleted' || deletion?.finished === undefined
    if (deletion === undefined || !isThere) return nameUnknown(name)
    this.begin()
    return deletion
  }

  /** Begins to remove the remaining rows of deleted repositories and tags. The sweeper continues with the rows that this leaves. */
  begin(): void {
    this.#isAskedAgain = true
    this.#running ??= this.#run()
      .catch(() => {})
      .finally(() => {
        this.#running = undefined
      })
  }

  async #run(): Promise<void> {
    while (this.#isAskedAgain && !this.#stop.signal.aborted) {
      this.#isAskedAgain = false
      await dropDeleted(this.#parts, this.#stop.signal)
    }
  }

  /** Stops between two steps. */
  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }
}

/**
 * Removes the remaining rows of deleted repositories, and of tags that were deleted with their manifest, in small steps. @returns how many
 * rows it removed
 */
export async function dropDeleted(parts: RegistryParts, signal: AbortSignal): Promise<number> {
  let total = 0
  for (const type of ['dropDoomedTags', 'settleEdges', 'dropDeletedRepositories'] as const) {
    for (let more = true; more && !signal.aborted; ) {
      const [outcome] = await parts.metadata.commit([{ type, limit: BATCH, at: parts.clock() }])
      total += outcome.count
      more = outcome.more
    }
  }
  return total
}
