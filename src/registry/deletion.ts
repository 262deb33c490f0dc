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

/** What became of the last repository of a name that was deleted. @throws RegistryError NAME_UNKNOWN */
export async function findDeletion(parts: RegistryParts, name: RepositoryName): Promise<RepositoryDeletion> {
  const deletion = await parts.metadata.repositories.deletion(name)
  if (deletion !== undefined) return deletion
  const message = 'no repository with this name was deleted, as far back as the change log goes'
  throw new RegistryError('NAME_UNKNOWN', { message, details: [{ name }] })
}

/** Removes what was deleted: repositories at once for all who ask, and rows of them and of many tags step by step, between other writes. */
export class Remover {
  readonly #parts: RegistryParts
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  #isAskedAgain = false

  constructor(parts: RegistryParts) {
    this.#parts = parts
  }

  /**
   * Deletes a repository with all that is in it; one that is being deleted already is no error.
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

  /** Begins to remove rows that are left of what was deleted. The sweeper goes on with what this leaves. */
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

/** Removes what is left of deleted repositories, and of tags that went with their manifest, in small steps. @returns how many rows that were */
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
