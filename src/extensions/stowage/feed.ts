import { setImmediate } from 'node:timers/promises'
import type { Parameter } from '../../api/parameter.ts'
import { type JsonSchema, schemaNamed } from '../../api/schema.ts'
import { errorEntries, RegistryError } from '../../oci/error.ts'
import { TextError } from '../../oci/text-error.ts'
import { formatTime } from '../../oci/time.ts'
import type { Change, ChangeQuery, ChangesRead, Registry } from '../../registry/registry.ts'
import type { Level } from './level.ts'

/** The most changes that are read at once. */
export const MAX_CHANGES = 1000

const SEQUENCE: JsonSchema = { type: 'integer', minimum: 0 }

const KINDS: readonly Change['kind'][] = [
  ...(['repository-created', 'repository-deleted'] as const),
  ...(['manifest-pushed', 'manifest-deleted', 'manifest-restored', 'manifest-purged'] as const),
  ...(['tag-set', 'tag-removed'] as const),
]

/** The forms of changes. */
export const FEED_SCHEMAS = {
  ChangeList: {
    type: 'object',
    description: 'Changes after a sequence number, oldest first.',
    required: ['changes', 'next', 'last'],
    additionalProperties: false,
    properties: {
      changes: { type: 'array', items: { $ref: '#/components/schemas/Change' } },
      next: { ...SEQUENCE, description: 'The value of `since` that continues after this response.' },
      last: {
        ...SEQUENCE,
        description:
          'The newest sequence number of the registry. There are more changes if it differs from `next`.',
      },
    },
  },
  Change: {
    type: 'object',
    description: 'A change of a repository.',
    required: ['sequence', 'at', 'repository', 'revision', 'kind', 'subject'],
    additionalProperties: false,
    properties: {
      sequence: { ...SEQUENCE, description: 'Increases with each change in the registry.' },
      at: {
        type: 'string',
        format: 'date-time',
        description: 'When it happened. Never decreases within a repository.',
      },
      repository: schemaNamed('RepositoryName'),
      revision: { ...SEQUENCE, description: 'Increases by one with each change of the repository.' },
      kind: { type: 'string', enum: KINDS },
      subject: {
        type: 'string',
        description: 'The tag, or the digest of the manifest; empty for a change of the repository itself.',
      },
      old: {
        ...schemaNamed('Digest'),
        description: 'The manifest that the tag pointed to before, or the manifest that was removed.',
      },
      new: {
        ...schemaNamed('Digest'),
        description: 'The manifest that the tag now points to, or the manifest that was added.',
      },
      actor: { type: 'string', description: 'The user who made the change, if known.' },
    },
  },
} as const satisfies Record<string, JsonSchema>

/** The parameter `since` of a feed. */
export const SINCE: Parameter<number> = {
  description: 'The sequence number after which to start; if absent, the newest one.',
  schema: SEQUENCE,
  parse(text) {
    const sequence = parseSequence(text)
    if (sequence !== undefined) return sequence
    throw new TextError('must be a sequence number: a whole number, at least 0', text, 0)
  },
}

/** Reads a sequence number. */
export function parseSequence(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

/** A page of changes that the caller may see. */
export interface FeedPage {
  changes: Change[]
  /** The sequence number after which to continue. */
  next: number
  last: number
}

/**
 * Reads changes after a sequence number. Without one, returns the current end of the log.
 *
 * @throws RegistryError HISTORY_PRUNED if it is not possible to continue from that number, or NAME_UNKNOWN
 */
export async function readFeed(
  { registry, repository }: Level,
  since: number | undefined,
  limit: number,
): Promise<FeedPage> {
  const after = since ?? (await registry.changes.bounds()).last
  const query = { ...(repository && { repository }), after, limit }
  return pageOf(after, await registry.changes.read(query))
}

/** Reads changes after a page once there are some. Followers of the same feed that are woken together share the result. */
export async function readOn(
  { registry, repository }: Level,
  { next: after }: FeedPage,
  limit: number,
): Promise<FeedPage> {
  const query = { ...(repository && { repository }), after, limit }
  return pageOf(after, await readTogether(registry, query))
}

function pageOf(after: number, { changes, next, floor, last }: ChangesRead): FeedPage {
  if (after > last) throw beyondEnd(after, { floor, last })
  return { changes, next, last }
}

const reading = new WeakMap<Registry, Map<string, Promise<ChangesRead>>>()

/**
 * Shares a read within one turn of the event loop. The result may be older than a commit of the same turn, so only followers that continue
 * to read until nothing is left may share it.
 */
function readTogether(registry: Registry, query: ChangeQuery): Promise<ChangesRead> {
  const pages = reading.get(registry) ?? new Map<string, Promise<ChangesRead>>()
  reading.set(registry, pages)
  const key = `${query.repository ?? ''} ${query.after} ${query.limit}`
  const found = pages.get(key)
  if (found !== undefined) return found
  const page = registry.changes.read(query)
  pages.set(key, page)
  void setImmediate().then(() => pages.delete(key))
  return page
}

/** Numbers never decrease, so a client that has a higher number has it from another log. It must start over, like a client that is too late. */
function beyondEnd(after: number, bounds: { floor: number; last: number }): RegistryError {
  const { last } = bounds
  return new RegistryError('HISTORY_PRUNED', {
    message: `sequence ${after} is greater than the newest one, ${last}: the change log has been replaced; list the current state again, and continue after ${last}`,
    details: [bounds],
  })
}

/** Waits until there are changes after a page, or the signal is aborted. */
export async function waitForChange(
  { registry }: Level,
  { next, last }: FeedPage,
  signal: AbortSignal,
): Promise<void> {
  if (next >= last) return await registry.changes.wait(next, signal)
  // There may be many pages in a row that the caller may not see, and other requests must be answered in between.
  await setImmediate()
}

/** A change as it is returned. */
export function formatChange({ sequence, at, ...change }: Change): object {
  return { sequence, at: formatTime(at), ...change }
}

/** The last event of a stream that can't continue: the entry of an error body. */
export function formatRefusal(error: RegistryError, requestId: string): object | undefined {
  return errorEntries(error, requestId)[0]
}
