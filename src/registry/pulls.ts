import type { RecordPulls } from '../metadata/manifests.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { RegistryParts } from './parts.ts'

const INTERVAL_MS = 60_000
const MAX_GATHERED = 10_000
const BATCH = 500

/**
 * Gathers which manifests were pulled and records them once a minute, so that a pull never waits for a write. Pulls that are not recorded
 * yet are lost if the process is killed.
 */
export class PullLog {
  readonly #parts: Pick<RegistryParts, 'metadata' | 'clock' | 'pullsInterval'>
  readonly #gathered = new Map<string, RecordPulls['pulls'][number]>()
  #timer: NodeJS.Timeout | undefined
  #saving: Promise<void> = Promise.resolve()
  #isSaving = false

  constructor(parts: Pick<RegistryParts, 'metadata' | 'clock' | 'pullsInterval'>) {
    this.#parts = parts
  }

  /** Remembers that a manifest was pulled now. */
  add(repository: RepositoryName, digest: Digest): void {
    this.#gathered.set(`${repository}@${digest}`, { repository, digest, at: this.#parts.clock() })
    if (this.#gathered.size > MAX_GATHERED) this.#forgetOldest()
    if (this.#isSaving) return
    if (this.#gathered.size === MAX_GATHERED) void this.save()
    else this.#saveLater()
  }

  /** Records the gathered pulls. If the store fails, they are lost: recording pulls must not make anything else fail. */
  async save(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#saving = this.#saving.then(() => this.#saveAll())
    await this.#saving
  }

  async #saveAll(): Promise<void> {
    const pulls = [...this.#gathered.values()]
    this.#gathered.clear()
    this.#isSaving = true
    await this.#commit(pulls).catch(() => {})
    this.#isSaving = false
    if (this.#gathered.size > 0) this.#saveLater()
  }

  #saveLater(): void {
    if (this.#timer !== undefined) return
    this.#timer = setTimeout(() => void this.save(), this.#parts.pullsInterval ?? INTERVAL_MS)
    this.#timer.unref()
  }

  /** While the store takes no writes, only the pulls of the last interval are kept. */
  #forgetOldest(): void {
    const [oldest] = this.#gathered.keys()
    if (oldest !== undefined) this.#gathered.delete(oldest)
  }

  async #commit(pulls: RecordPulls['pulls']): Promise<void> {
    for (let start = 0; start < pulls.length; start += BATCH) {
      await this.#parts.metadata.commit([{ type: 'recordPulls', pulls: pulls.slice(start, start + BATCH) }])
    }
  }
}
