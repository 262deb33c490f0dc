import type { CollectBlobs } from '../metadata/blobs.ts'
import type { PruneChanges } from '../metadata/changes.ts'
import type { ShrinkStore } from '../metadata/contents.ts'
import type { DescribeManifests, ExpireDeleted } from '../metadata/manifests.ts'
import type { ExpireUploads } from '../metadata/uploads.ts'
import type { ForwardJumps } from './clock-jumps.ts'
import { dropDeleted } from './deletion.ts'
import { describeConfig } from './image-config.ts'
import type { RegistryParts } from './parts.ts'
import { uploadIdsBefore } from './upload-id.ts'

const BATCH = 100
const PAGES = 1000

/** What one round of the sweeper did. */
export type Swept = {
  uploads: number
  /** Deleted manifests that can't be restored any more. */
  manifests: number
  blobs: number
  /** Rows of deleted repositories. */
  rows: number
  changes: number
  /** Manifests whose image config was read in this round. */
  described: number
  keys: number
  /** Bytes that were deleted from the blob store. */
  freed: number
  /** Pages that the metadata store returned to the file system. */
  pages: number
}

/** The options of one sweeper round, in addition to the times of the registry. */
export interface SweepOptions {
  /** Jumps of the clock. Data from before a jump only seems that old, so it is kept longer by the length of the jump. */
  jumps?: ForwardJumps
  /** Expires all deleted manifests, and blobs that only they named, unless the blobs were pushed less than `unusedBlobs` ago. */
  tombstones?: boolean
  /** Instead of the registry's own, in milliseconds. */
  unusedBlobs?: number
  /** Instead of the registry's own, in milliseconds. */
  garbage?: number
  /** Keys that were queued since then are kept; undefined if all may be deleted. Milliseconds since the epoch. */
  pinnedSince?(): number | undefined
}

/** A step of a round, named by the figure that reports it. */
type Steps = { readonly [Figure in Exclude<keyof Swept, 'freed'>]: () => Promise<number> }

/**
 * One round of cleaning up deleted and abandoned data. It ends uploads that were not written to for a long time, expires manifests that
 * were deleted long ago, removes blobs from repositories whose manifests have not named them for a long time, removes the rows of deleted
 * repositories and old changes, and deletes the bytes of keys that are no longer referenced. It works in small steps between other writes
 * and may be stopped at any point: the next round finds the rest. If a step fails, the others still run, since on a full disk one step may
 * free the space that another needs.
 *
 * @throws the first error of a step, after all were tried
 */
export async function sweep(
  parts: RegistryParts,
  signal: AbortSignal,
  options: SweepOptions = {},
): Promise<Swept> {
  const swept: Swept = {
    uploads: 0,
    manifests: 0,
    blobs: 0,
    rows: 0,
    changes: 0,
    described: 0,
    keys: 0,
    freed: 0,
    pages: 0,
  }
  const steps = stepsOf(parts, signal, options, (bytes) => {
    swept.freed += bytes
  })
  const errors: unknown[] = []
  // Keys are also handled first: deleting their bytes needs no space.
  for (const figure of ['keys', ...Object.keys(steps)] as (keyof Steps)[]) {
    try {
      swept[figure] += await steps[figure]()
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0) throw errors[0]
  return swept
}

function stepsOf(
  parts: RegistryParts,
  signal: AbortSignal,
  { jumps = () => 0, tombstones = false, pinnedSince = () => undefined, ...times }: SweepOptions,
  onFreed: (bytes: number) => void,
): Steps {
  const retention = { ...parts.retention, ...times }
  const kept = (time: number) => time + jumps(time)
  const each = (command: SweepCommand) =>
    repeat(signal, async () => {
      const [outcome] = await parts.metadata.commit([command])
      return outcome
    })
  const untouchedFor = kept(retention.uploads)
  const endedBefore = uploadIdsBefore(parts.clock() - untouchedFor)
  const deletedFor = tombstones ? 0 : kept(retention.deletedManifests)
  return {
    uploads: () => each({ type: 'expireUploads', untouchedFor, endedBefore, limit: BATCH }),
    manifests: () => each({ type: 'expireDeleted', deletedFor, unusedSincePush: tombstones, limit: BATCH }),
    blobs: () => each({ type: 'collectBlobs', unusedFor: kept(retention.unusedBlobs), limit: BATCH }),
    rows: () => dropDeleted(parts, signal),
    changes: () => each({ type: 'pruneChanges', age: kept(retention.history), limit: BATCH }),
    described: () => repeat(signal, () => describeManifests(parts)),
    keys: () =>
      repeat(signal, () => {
        return deleteGarbage(parts, { queuedFor: kept(retention.garbage), pinnedSince }, onFreed)
      }),
    pages: () => each({ type: 'shrinkStore', limit: PAGES }),
  }
}

type SweepCommand = ExpireUploads | ExpireDeleted | CollectBlobs | PruneChanges | ShrinkStore

/** What a step did, and whether it stopped at its limit. Without `more`, a full batch means that it did. */
interface Step {
  count: number
  more?: boolean
}

async function repeat(signal: AbortSignal, step: () => Promise<Step>): Promise<number> {
  let total = 0
  for (let more = true; more && !signal.aborted; ) {
    const done = await step()
    total += done.count
    more = done.more ?? done.count >= BATCH
  }
  return total
}

async function deleteGarbage(
  parts: RegistryParts,
  { queuedFor, pinnedSince }: { queuedFor: number; pinnedSince: () => number | undefined },
  onFreed: (bytes: number) => void,
): Promise<Step> {
  const unpinned = () => pinnedSince() ?? Number.POSITIVE_INFINITY
  const until = unpinned()
  const keys = await parts.metadata.log.garbage({ queuedFor, until, limit: BATCH })
  // A pin that another thread has set in the meantime covers what was unlinked after it, which these keys may include.
  if (unpinned() < until) return { count: 0, more: true }
  for (const key of keys) onFreed(await parts.blobs.delete(key))
  if (keys.length > 0) await parts.metadata.commit([{ type: 'forgetGarbage', keys }])
  return { count: keys.length }
}

/** Manifests that were pushed before their configs were read. */
async function describeManifests(parts: RegistryParts): Promise<Step> {
  const found = await parts.metadata.manifests.undescribed(BATCH)
  if (found.length === 0) return { count: 0 }
  const manifests: DescribeManifests['manifests'][number][] = []
  for (const { repository, digest, config } of found) {
    const described = config && (await describeConfig(parts, config).catch(() => ({})))
    manifests.push({ repository, digest, ...described })
  }
  await parts.metadata.commit([{ type: 'describeManifests', manifests }])
  return { count: found.length }
}
