import type { DescribeManifests } from '../metadata/command.ts'
import type { ForwardJumps } from './clock-jumps.ts'
import { dropDeleted } from './deletion.ts'
import { describeConfig } from './image-config.ts'
import type { RegistryParts } from './parts.ts'
import { uploadIdsBefore } from './upload-id.ts'

const BATCH = 100

/** What one round of the sweeper did. */
export interface Swept {
  uploads: number
  /** Deleted ones that can't be brought back any more. */
  manifests: number
  blobs: number
  /** Rows of deleted repositories. */
  rows: number
  changes: number
  /** Manifests whose image config was read now. */
  described: number
  keys: number
}

/**
 * One round of what makes deleted and abandoned things go: uploads that nobody wrote to for long end, manifests that were deleted long
 * ago are let go of, blobs that no manifest has named for long leave their repository, deleted repositories and old changes lose their
 * rows, and keys to which nothing leads any more are emptied. It works in small steps between other
 * writes, and may be stopped at any point: what is left is found again.
 *
 * @param jumps of the clock: what is from before one only seems so old, and is kept for as much longer
 */
export async function sweep(
  parts: RegistryParts,
  signal: AbortSignal,
  jumps: ForwardJumps = () => 0,
): Promise<Swept> {
  const { retention, metadata } = parts
  const at = parts.clock()
  const expired = (kept: number) => at - kept - jumps(kept)
  const uploadsBefore = expired(retention.uploads)
  const endedBefore = uploadIdsBefore(uploadsBefore)
  const uploads = await repeat(signal, async () => {
    const [outcome] = await metadata.commit([
      { type: 'expireUploads', before: uploadsBefore, endedBefore, limit: BATCH, at },
    ])
    return outcome
  })
  const manifests = await repeat(signal, async () => {
    const before = expired(retention.deletedManifests)
    const [outcome] = await metadata.commit([{ type: 'expireDeleted', before, limit: BATCH, at }])
    return outcome
  })
  const blobs = await repeat(signal, async () => {
    const before = expired(retention.unusedBlobs)
    const [outcome] = await metadata.commit([{ type: 'collectBlobs', before, limit: BATCH, at }])
    return outcome
  })
  const rows = await dropDeleted(parts, signal)
  const changes = await repeat(signal, async () => {
    const [outcome] = await metadata.commit([
      { type: 'pruneChanges', before: expired(retention.history), limit: BATCH, at },
    ])
    return outcome
  })
  const described = await repeat(signal, () => describeManifests(parts))
  const keys = await repeat(signal, () => emptyKeys(parts, expired(retention.garbage)))
  return { uploads, manifests, blobs, rows, changes, described, keys }
}

/** What a step did, and whether its limit ended it; without `more` a full batch says so. */
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

async function emptyKeys(parts: RegistryParts, before: number): Promise<Step> {
  const keys = await parts.metadata.log.garbage(before, BATCH)
  for (const key of keys) await parts.blobs.delete(key)
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
