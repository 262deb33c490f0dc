import type { Job } from '../jobs/job.ts'
import type { RepositoryCount } from '../metadata/counts.ts'
import type { RegistryParts } from './parts.ts'

const PAUSE_MS = 2_000
const BATCH = 100

/** The job that counts the content of repositories that have changed. */
export function countsJob(parts: RegistryParts): Job<{ repositories: number }> {
  return {
    name: 'counts',
    every: PAUSE_MS,
    scope: 'store',
    run: async (signal) => ({ repositories: await countRepositories(parts, signal) }),
  }
}

/**
 * Counts the content of repositories that have changed, outside of pushes. Counts may be seconds old; the count of a large repository may
 * be as old as twenty times the time that counting takes. Counts that were not saved are made again.
 *
 * @returns how many repositories it counted
 */
async function countRepositories(parts: RegistryParts, signal: AbortSignal): Promise<number> {
  let total = 0
  for (let more = true; more && !signal.aborted; ) {
    const count = await countSome(parts, signal)
    total += count.counted
    more = count.more
  }
  return total
}

async function countSome(
  parts: RegistryParts,
  signal: AbortSignal,
): Promise<{ counted: number; more: boolean }> {
  const { metadata, clock } = parts
  const { due, later, cursor, more } = await metadata.counts.pending(BATCH)
  if (due.length === 0 && later.length === 0 && !more) return { counted: 0, more: false }
  const counts: (Omit<RepositoryCount, 'at'> & { began: number })[] = []
  for (const repository of due) {
    const began = clock()
    const count = await metadata.counts.count(repository, signal)
    if (signal.aborted) return { counted: 0, more: false }
    if (count !== undefined) counts.push({ ...count, began, took: Math.max(0, clock() - began) })
  }
  const now = clock()
  const counted = counts.map(({ began, ...count }) => ({ ...count, ago: Math.max(0, now - began) }))
  await metadata.commit([{ type: 'saveCounts', counted, later, cursor }])
  return { counted: counted.length, more }
}
