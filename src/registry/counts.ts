import type { RepositoryCount } from '../metadata/counts.ts'
import type { RegistryParts } from './parts.ts'

const BATCH = 100

/**
 * Counts the content of repositories that have changed, outside of pushes. Counts may be seconds old; the count of a large repository may
 * be as old as twenty times the time that counting takes. Counts that were not saved are made again.
 *
 * @returns how many repositories it counted
 */
export async function countRepositories(parts: RegistryParts, signal: AbortSignal): Promise<number> {
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
  const now = clock()
  const { repositories, cursor, more } = await metadata.counts.pending(now, BATCH)
  if (repositories.length === 0 && !more) return { counted: 0, more: false }
  const counted: RepositoryCount[] = []
  for (const { repository, due } of repositories) {
    if (due > now) continue
    const at = clock()
    const count = await metadata.counts.count(repository, signal)
    if (signal.aborted) return { counted: 0, more: false }
    if (count !== undefined) counted.push({ ...count, at, took: Math.max(0, clock() - at) })
  }
  const later = repositories.filter(({ due }) => due > now)
  await metadata.commit([{ type: 'saveCounts', counted, later, cursor }])
  return { counted: counted.length, more }
}
