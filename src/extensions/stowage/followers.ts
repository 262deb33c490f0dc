import { RegistryError } from '../../oci/error.ts'
import type { Registry } from '../../registry/registry.ts'

/** How many may wait for changes at a time: each of them reads whenever something changes. For each thread that answers requests. */
export const MAX_FOLLOWERS = 256

const counts = new WeakMap<Registry, number>()

/**
 * Takes one of the places of those who wait for changes.
 *
 * @param signal gives the place back when it is aborted
 * @returns what gives it back; again does nothing
 * @throws RegistryError UNAVAILABLE if all are taken
 */
export function takePlace(registry: Registry, signal: AbortSignal): () => void {
  const count = counts.get(registry) ?? 0
  if (count >= MAX_FOLLOWERS) {
    throw new RegistryError('UNAVAILABLE', {
      message: `${count} others are waiting for changes already; try again later, or do without waiting`,
    })
  }
  counts.set(registry, count + 1)
  let isTaken = true
  const giveBack = () => {
    if (isTaken) counts.set(registry, (counts.get(registry) ?? 1) - 1)
    isTaken = false
    signal.removeEventListener('abort', giveBack)
  }
  signal.addEventListener('abort', giveBack)
  if (signal.aborted) giveBack()
  return giveBack
}
