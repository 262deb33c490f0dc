import type { MetadataStore } from '../metadata/metadata-store.ts'
import type { JobClock } from './clock.ts'

const LEASE_MS = 60_000
const RENEWAL_MS = 20_000

/** A lease that this process holds. */
export interface Lease {
  /** Gives it back. If that fails, it expires. */
  release(): Promise<void>
}

/** Who takes a lease, and where. */
export interface LeaseContext {
  store: Pick<MetadataStore, 'commit'>
  /** Different for each process. */
  holder: string
  clock: JobClock
}

/**
 * Takes the lease of a job and renews it until it is released.
 *
 * @param onLost called if another process has taken the lease because it could not be renewed in time
 * @returns undefined if another process holds it
 * @throws the error of the store
 */
export async function takeLease(
  job: string,
  { store, holder, clock }: LeaseContext,
  onLost: () => void,
): Promise<Lease | undefined> {
  const lease = async () => {
    const [{ result }] = await store.commit([{ type: 'leaseJob', job, holder, duration: LEASE_MS }])
    return result
  }
  let isOver = false
  let cancel = () => {}
  const renewLater = () => {
    cancel = clock.after(RENEWAL_MS, () => void renew())
  }
  const renew = async () => {
    // If the store fails, the next renewal may still be in time.
    const result = await lease().catch(() => undefined)
    if (isOver) return
    if (result === 'held') return onLost()
    renewLater()
  }
  if ((await lease()) === 'held') return undefined
  renewLater()
  return {
    async release() {
      isOver = true
      cancel()
      await store.commit([{ type: 'releaseJob', job, holder }]).catch(() => {})
    },
  }
}
