import type { Digest } from '../../oci/digest.ts'
import type { ContentPlace } from '../blobs.ts'
import type { Outcome, Stamped } from '../command.ts'
import { replaceContent } from '../content-replacement.ts'
import type { ForgetGarbage, ReserveProbe } from '../contents.ts'
import type { Statements } from './statements.ts'

/** Queues a key of the blob store for deletion. */
export function discardKey(statements: Statements, key: string, at: number): void {
  statements.run('INSERT OR IGNORE INTO garbage (key, queued) VALUES (?, ?)', key, at)
}

/** Stores content, or what changes if it is stored already. */
export function storeContent(
  statements: Statements,
  digest: Digest,
  size: number,
  content: ContentPlace,
  at: number,
): void {
  const found = statements.get('SELECT key FROM contents WHERE digest = ?', digest)
  const replacement = replaceContent(found as { key: string | null } | undefined, content)
  if (replacement.action === 'insert') {
    statements.run(
      'INSERT INTO contents (digest, size, key, bytes) VALUES (?, ?, ?, ?)',
      digest,
      size,
      content.key ?? null,
      content.bytes ?? null,
    )
  }
  if (replacement.action === 'heal') healBytes(statements, digest, replacement.bytes)
  if (replacement.action === 'move') {
    statements.run(
      'UPDATE contents SET key = ?, bytes = ? WHERE digest = ?',
      content.key ?? null,
      content.bytes ?? null,
      digest,
    )
  }
  if ('discarded' in replacement) discardKey(statements, replacement.discarded, at)
}

function healBytes(statements: Statements, digest: Digest, bytes: Uint8Array): void {
  statements.run('UPDATE contents SET bytes = ? WHERE digest = ? AND bytes <> ?', bytes, digest, bytes)
}

/** Removes content that is not in any repository any more, not even deleted. Its key is queued for deletion. */
export function dropUnheldContent(statements: Statements, digest: Digest, at: number): void {
  const held = statements.get(
    `SELECT 1 FROM links WHERE digest = ?1 UNION ALL SELECT 1 FROM manifests WHERE digest = ?1
     UNION ALL SELECT 1 FROM graves WHERE digest = ?1 LIMIT 1`,
    digest,
  )
  if (held !== undefined) return
  const row = statements.get('DELETE FROM contents WHERE digest = ? RETURNING key', digest)
  if (typeof row?.key === 'string') discardKey(statements, row.key, at)
}

/** @see ForgetGarbage */
export function forgetGarbage(statements: Statements, { keys }: ForgetGarbage): Outcome<ForgetGarbage> {
  for (const key of keys) statements.run('DELETE FROM garbage WHERE key = ?', key)
  return { result: 'done' }
}

/** @see ReserveProbe */
export function reserveProbe(
  statements: Statements,
  { key, at }: Stamped<ReserveProbe>,
): Outcome<ReserveProbe> {
  // A row that changes each time, so that there is something to commit.
  statements.run(
    'INSERT INTO garbage (key, queued) VALUES (?, ?) ON CONFLICT DO UPDATE SET queued = excluded.queued',
    key,
    at,
  )
  return { result: 'done' }
}
