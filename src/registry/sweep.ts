import type { ForwardJumps } from './clock-jumps.ts'
import type { RegistryParts } from './parts.ts'
import { uploadIdsBefore } from './upload-id.ts'

const BATCH = 100

/** What one round of the sweeper did. */
export interface Swept {
  uploads: number
  blobs: number
  keys: number
}

/**
 * One round of what makes deleted and abandoned bytes go: uploads that nobody wrote to for long end, blobs that no manifest has named
 * for long leave their repository, and keys to which nothing leads any more are emptied. It works in small steps between other
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
    return outcome.count
  })
  const blobs = await repeat(signal, async () => {
    const before = expired(retention.unusedBlobs)
    const [outcome] = await metadata.commit([{ type: 'collectBlobs', before, limit: BATCH, at }])
    return outcome.count
  })
  const keys = await repeat(signal, () => emptyKeys(parts, expired(retention.garbage)))
  return { uploads, blobs, keys }
}

async function repeat(signal: AbortSignal, step: () => Promise<number>): Promise<number> {
  let total = 0
  for (let count = BATCH; count >= BATCH && !signal.aborted; total += count) count = await step()
  return total
}

async function emptyKeys(parts: RegistryParts, before: number): Promise<number> {
  const keys = await parts.metadata.log.garbage(before, BATCH)
  for (const key of keys) await parts.blobs.delete(key)
  if (keys.length > 0) await parts.metadata.commit([{ type: 'forgetGarbage', keys }])
  return keys.length
}
