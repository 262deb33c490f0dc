import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { AskedCommit, CommitNote } from './blob-registry.ts'
import type { BlobFact, Fact, UploadFact } from './careful-client.ts'
import { PowerLoss } from './power-loss.ts'
import type { LogEntry } from './recorded-disk.ts'
import { type Remains, RestoredRegistry, type Setting } from './restored-registry.ts'

/** What is noted between the operations on a disk. */
export type Note = CommitNote | Fact

/** What happened to a registry. */
export interface Recording extends Setting {
  readonly log: readonly LogEntry<Note>[]
}

/** After which entries of a log the power fails: after any, or after each that tells of a blob being stored, and the last. */
export type Moments = 'any' | 'answers'

/** The store's folders look alike, so while they are made every so many-th is looked at. */
const FOLDER_SAMPLE = 32
/** How many registries share the work, since much of it is to wait for threads. */
const REGISTRIES: Readonly<Record<Moments, number>> = { any: 4, answers: 1 }

/**
 * Fails unless a registry that is started on anything that a power loss may leave keeps all that was answered.
 *
 * @param folder an empty one
 * @returns how many different states were looked at
 */
export async function assertSurvives(
  recording: Recording,
  folder: string,
  moments: Moments,
): Promise<number> {
  const states = statesOf(recording.log, moments)
  let count = 0
  const work = async (index: number) => {
    const registry = new RestoredRegistry(recording, join(folder, `${index}`, 'blobs'))
    for (const { length, remains } of states) {
      count++
      await registry.hold(remains).catch((cause: unknown) => {
        const found = [...remains.image.files].map(([path, bytes]) => `${path}: ${bytes.length} bytes`)
        const { message } = cause as Error
        assert.fail(
          `after ${length} entries, with ${remains.commits.length} commits and ${found}: ${message}`,
        )
      })
    }
  }
  await Promise.all(Array.from({ length: REGISTRIES[moments] }, (_, index) => work(index)))
  return count
}

interface State {
  /** Of the log. */
  length: number
  remains: Remains
}

function* statesOf(log: readonly LogEntry<Note>[], moments: Moments): Generator<State, void> {
  const loss = new PowerLoss(log)
  const seen = new Set<string>()
  for (let length = 0; length <= log.length; length++) {
    if (!isMoment(log, length, moments)) continue
    const { known, outstanding, ...facts } = factsAfter(log.slice(0, length))
    const held = outstanding ? [facts.commits, facts.commits.slice(0, -1)] : [facts.commits]
    for (const image of loss.imagesAfter(length)) {
      for (const commits of held) {
        const state = `${known} ${commits.length} ${image.fingerprint}`
        if (!seen.has(state)) yield { length, remains: { ...facts, commits, image } }
        seen.add(state)
      }
    }
  }
}

function isMoment(log: readonly LogEntry<Note>[], length: number, moments: Moments): boolean {
  if (length === log.length) return true
  if (moments === 'any') return log[length]?.type !== 'mkdir' || length % FOLDER_SAMPLE === 0
  const last = log[length - 1]
  return last?.type === 'note' && last.note.type === 'blob' && last.note.state === 'there'
}

interface Facts extends Omit<Remains, 'image'> {
  /** Whether the last commit was not answered yet: it may have happened or not. */
  outstanding: boolean
  /** What clients know, as text. */
  known: string
}

function factsAfter(log: readonly LogEntry<Note>[]): Facts {
  const commits: AskedCommit[] = []
  const blobs = new Map<string, BlobFact>()
  const uploads = new Map<string, UploadFact>()
  let outstanding = false
  for (const entry of log) {
    if (entry.type !== 'note') continue
    const { note } = entry
    if (note.type === 'commit') commits.push(note)
    if (note.type === 'commit' || note.type === 'committed') outstanding = note.type === 'commit'
    if (note.type === 'blob') blobs.set(note.digest, note)
    if (note.type === 'upload') uploads.set(note.location, note)
  }
  const told = [...uploads.values()].map(({ location, offset, state }) => ({ location, offset, state }))
  return { commits, outstanding, blobs, uploads, known: JSON.stringify([[...blobs], told]) }
}
