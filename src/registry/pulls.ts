import type { Job } from '../jobs/job.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { RegistryParts } from './parts.ts'

const INTERVAL_MS = 60_000
const MAX_GATHERED = 10_000
const BATCH = 500

interface GatheredPull {
  repository: RepositoryName
  digest: Digest
  at: number
}

/**
 * Gathers which manifests were pulled. A job records them once a minute, so that a pull never waits for a write. Pulls that are not recorded
 * yet are lost if the process is killed.
 */
export class PullLog {
  readonly #parts: Pick<RegistryParts, 'metadata' | 'clock'>
  readonly #gathered = new Map<string, GatheredPull>()
  #ask = () => {}
  readonly job: Job<{ manifests: number }>

  constructor(parts: Pick<RegistryParts, 'metadata' | 'clock'>) {
    this.#parts = parts
    this.job = {
      name: 'pulls',
      every: INTERVAL_MS,
      scope: 'process',
      run: async () => ({ manifests: await this.save() }),
      onWork: (ask) => {
        this.#ask = ask
      },
    }
  }

  /** Remembers that a manifest was pulled now. */
  add(repository: RepositoryName, digest: Digest): void {
    this.#gathered.set(`${repository}@${digest}`, { repository, digest, at: this.#parts.clock() })
    if (this.#gathered.size > MAX_GATHERED) this.#forgetOldest()
    if (this.#gathered.size === MAX_GATHERED) this.#ask()
  }

  /**
   * Records the gathered pulls. If the store fails, they are lost.
   *
   * @returns of how many manifests
   */
  async save(): Promise<number> {
    const now = this.#parts.clock()
    const pulls = [...this.#gathered.values()].map(({ at, ...pull }) => ({
      ...pull,
      ago: Math.max(0, now - at),
    }))
    this.#gathered.clear()
    for (let start = 0; start < pulls.length; start += BATCH) {
      await this.#parts.metadata.commit([{ type: 'recordPulls', pulls: pulls.slice(start, start + BATCH) }])
    }
    return pulls.length
  }

  /** While the store takes no writes, only the newest pulls are kept. */
  #forgetOldest(): void {
    const [oldest] = this.#gathered.keys()
    if (oldest !== undefined) this.#gathered.delete(oldest)
  }
}
