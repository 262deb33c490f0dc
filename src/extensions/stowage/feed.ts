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
  /** The sequence number to go on behind. */
  next: number
  last: number
}

/**
 * Reads changes behind a sequence number, or where the log ends now if there is none.
 *
 * @throws RegistryError HISTORY_PRUNED if that is a place from which nobody can go on, or NAME_UNKNOWN
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

/** Reads changes after a page once there are some; those who follow the same and are woken together share what is read. */
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
 * Shares what is read in one turn of the event loop. It may be older than a commit of the same turn, so only those may share it who read
 * on until nothing is left.
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

/** Numbers are never taken back, so whoever has a higher one has it of another log: it is to begin again, as who is too late. */
function beyondEnd(after: number, bounds: { floor: number; last: number }): RegistryError {
  const { last } = bounds
  return new RegistryError('HISTORY_PRUNED', {
    message: `sequence ${after} is greater than the newest one, ${last}: the change log has been replaced; list the current state again, and continue after ${last}`,
    details: [bounds],
  })
}

/** Waits until there is something behind a page, or the signal is aborted. */
export async function waitBehind(
  { registry }: Level,
  { next, last }: FeedPage,
  signal: AbortSignal,
): Promise<void> {
  if (next >= last) return await registry.changes.wait(next, signal)
  // Pages of what the caller may not see can follow each other for long, and others are to be answered meanwhile.
  await setImmediate()
}

/** A change as it is answered. */
export function formatChange({ sequence, at, ...change }: Change): object {
  return { sequence, at: formatTime(at), ...change }
}

/** What ends a stream that can't go on: the entry of an error body. */
export function formatRefusal(error: RegistryError): object | undefined {
  return errorEntries(error)[0]
}
