import { createHash } from 'node:crypto'
import { dirname } from 'node:path'
import type { ContentChange, FileNumber, LogEntry, NameChange } from './recorded-disk.ts'

/** What a disk holds when the power is back, by absolute path. */
export interface DiskImage {
  folders: readonly string[]
  files: ReadonlyMap<string, Uint8Array>
  /** The same for the same names and bytes. */
  fingerprint: string
}

/**
 * What becomes of the bytes that were not synced: none is there; all are; the files have their length, but zeros in them, as some
 * file systems leave them; only the first half of the changes came through, the last of these in part; the first one did not, but
 * what followed did.
 */
const DATA = ['dropped', 'kept', 'zeroed', 'torn', 'reordered'] as const
/** What becomes of the names that were not synced; those that were made and those that were removed may fare differently. */
const NAMES = ['dropped', 'kept', 'creations kept', 'removals kept'] as const

type Data = (typeof DATA)[number]
type Names = (typeof NAMES)[number]

/** Whether a change is on the disk for certain, may be, or was in a sync that failed. */
type Fate = 'durable' | 'pending' | 'lost'

type Sync = LogEntry<unknown> & { type: 'sync' | 'sync-folder' }

/** Tells what a power loss leaves of what a log has recorded. */
export class PowerLoss {
  readonly #log: readonly LogEntry<unknown>[]
  readonly #contents = new Map<string, { bytes: Uint8Array; hash: string }>()

  constructor(log: readonly LogEntry<unknown>[]) {
    this.#log = log
  }

  /** All that a disk may hold, each once, if the power fails after so many entries of the log. */
  imagesAfter(length: number): DiskImage[] {
    const fates = this.#fates(length)
    const images = NAMES.flatMap((names) => DATA.map((data) => this.#image(fates, names, data)))
    return [...new Map(images.map((image) => [image.fingerprint, image])).values()]
  }

  /** The first sync that covers a change decides: after one that failed, later ones do not write it again. */
  #fates(length: number): Map<ContentChange | NameChange, Fate> {
    const fates = new Map<ContentChange | NameChange, Fate>()
    const changes: { index: number; change: ContentChange | NameChange }[] = []
    for (const [index, entry] of this.#log.slice(0, length).entries()) {
      if (entry.type === 'note') continue
      if (entry.type !== 'sync' && entry.type !== 'sync-folder') {
        fates.set(entry, 'pending')
        changes.push({ index, change: entry })
        continue
      }
      for (const { index, change } of changes) {
        if (index < entry.from && covers(entry, change) && fates.get(change) === 'pending')
          fates.set(change, entry.failed ? 'lost' : 'durable')
      }
    }
    return fates
  }

  #image(fates: Map<ContentChange | NameChange, Fate>, names: Names, data: Data): DiskImage {
    const folders = new Set<string>()
    const made = new Set(
      [...fates.keys()].flatMap((change) => (change.type === 'mkdir' ? [change.path] : [])),
    )
    const found = new Map<string, FileNumber>()
    for (const [change, fate] of fates) {
      if (isContent(change) || !survives(change, fate, names)) continue
      const parent = dirname(change.path)
      if (made.has(parent) && !folders.has(parent)) continue
      if (change.type === 'mkdir') folders.add(change.path)
      else if (change.type === 'create') found.set(change.path, change.file)
      else found.delete(change.path)
    }
    const files = new Map<string, Uint8Array>()
    const parts = [...folders]
    for (const [path, file] of found) {
      const { bytes, hash } = this.#content(fates, file, data)
      files.set(path, bytes)
      parts.push(`${path} ${hash}`)
    }
    return { folders: [...folders], files, fingerprint: parts.sort().join('\n') }
  }

  #content(
    fates: Map<ContentChange | NameChange, Fate>,
    file: FileNumber,
    data: Data,
  ): { bytes: Uint8Array; hash: string } {
    const changes = [...fates].filter(([change]) => isContent(change) && change.file === file)
    const key = `${file} ${data} ${changes.map(([, fate]) => fate[0]).join('')}`
    const known = this.#contents.get(key)
    if (known !== undefined) return known
    const bytes = apply(surviving(changes as [ContentChange, Fate][], data))
    const content = { bytes, hash: createHash('sha256').update(bytes).digest('hex') }
    this.#contents.set(key, content)
    return content
  }
}

function isContent(change: ContentChange | NameChange): change is ContentChange {
  return change.type === 'write' || change.type === 'truncate'
}

function covers(sync: Sync, change: ContentChange | NameChange): boolean {
  if (isContent(change)) return sync.type === 'sync' && sync.file === change.file
  return sync.type === 'sync-folder' && sync.path === dirname(change.path)
}

function survives(change: NameChange, fate: Fate, names: Names): boolean {
  if (fate === 'durable' || names === 'kept') return true
  if (fate === 'lost') return false
  return names === (change.type === 'unlink' ? 'removals kept' : 'creations kept')
}

function surviving(changes: [ContentChange, Fate][], data: Data): ContentChange[] {
  if (data === 'kept') return changes.map(([change]) => change)
  const durable = changes.filter(([, fate]) => fate === 'durable').map(([change]) => change)
  const pending = changes.filter(([, fate]) => fate === 'pending').map(([change]) => change)
  if (data === 'zeroed') return [...durable, ...pending.map(zeroed)]
  if (data === 'reordered') return [...durable, ...pending.slice(1)]
  return data === 'torn' ? [...durable, ...torn(pending)] : durable
}

function zeroed(change: ContentChange): ContentChange {
  return change.type === 'write' ? { ...change, bytes: new Uint8Array(change.bytes.length) } : change
}

function torn(changes: ContentChange[]): ContentChange[] {
  const first = changes.slice(0, Math.ceil(changes.length / 2))
  const last = first.pop()
  if (last?.type !== 'write') return first
  return [...first, { ...last, bytes: last.bytes.subarray(0, last.bytes.length / 2) }]
}

function apply(changes: ContentChange[]): Uint8Array {
  let bytes = Buffer.alloc(0)
  for (const change of changes) {
    const size =
      change.type === 'truncate' ? change.size : Math.max(bytes.length, change.at + change.bytes.length)
    const next = Buffer.alloc(size)
    bytes.copy(next)
    if (change.type === 'write') next.set(change.bytes, change.at)
    bytes = next
  }
  return bytes
}
