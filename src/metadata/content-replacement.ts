import type { ContentPlace } from './blobs.ts'

/**
 * What happens to content that is stored again. Uploading a digest again repairs damaged bytes, so its new location counts. Content whose
 * bytes are in the metadata store stays there.
 */
export type ContentReplacement =
  | { action: 'insert' | 'keep' }
  /** Its bytes are compared, and replaced if they are damaged. */
  | { action: 'heal'; bytes: Uint8Array }
  /** The location changes, and the bytes under the old key are no longer referenced. */
  | { action: 'move'; discarded: string }
  /** The location stays, and the bytes under the new key are not needed. */
  | { action: 'keep-inline'; discarded: string }

/** Decides what happens to content that is stored. @param found its key, which is null if its bytes are in the metadata store; undefined if it is new */
export function replaceContent(
  found: { key: string | null } | undefined,
  content: ContentPlace,
): ContentReplacement {
  if (found === undefined) return { action: 'insert' }
  if (found.key !== null)
    return found.key === content.key ? { action: 'keep' } : { action: 'move', discarded: found.key }
  return content.key === undefined
    ? { action: 'heal', bytes: content.bytes }
    : { action: 'keep-inline', discarded: content.key }
}
