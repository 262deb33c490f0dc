import { readFileSync } from 'node:fs'

/** The write-ahead log is damaged before its end, so that acknowledged commits would be lost if it were recovered. */
export class JournalDamagedError extends Error {
  override readonly name = 'JournalDamagedError'
}

const HEADER = 32
const FRAME_HEADER = 24
const LITTLE_ENDIAN_MAGIC = 0x377f0682
const SALTS = 16
const SALTS_OF_FRAME = 8

type Checksum = readonly [number, number]

/**
 * Refuses to recover a write-ahead log that is damaged in the middle. SQLite stops at the first incomplete frame, since a crash leaves half
 * a transaction there, and drops the rest. But a frame that follows a commit was written after that commit had been synced. If it can't be
 * reached, acknowledged commits are lost.
 *
 * @param path the path of the database; no process may have it open for writing
 * @throws JournalDamagedError
 * @see SQLite Database File Format, section 4
 */
export function refuseDamagedJournal(path: string): void {
  const bytes = readIfThere(`${path}-wal`)
  if (bytes.length <= HEADER) return
  const journal = new Journal(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  const whole = journal.wholeFrames()
  if (whole === undefined) {
    // A header that was never written is not damage: nothing was acknowledged before it was synced.
    if (bytes.subarray(0, HEADER).every((byte) => byte === 0)) return
    throw new JournalDamagedError('the header of its write-ahead log is damaged')
  }
  for (let frame = whole; frame + 1 < journal.count; frame++) {
    if (!journal.isCommit(frame) || !journal.isWhole(frame + 1, journal.checksumOf(frame))) continue
    throw new JournalDamagedError(`its write-ahead log is damaged in frame ${whole + 1} of ${journal.count}`)
  }
}

function readIfThere(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}

class Journal {
  readonly #view: DataView
  readonly #frameSize: number
  readonly #isLittle: boolean
  /** How many frames there are according to the length of the file, including those from before the last checkpoint. */
  readonly count: number

  constructor(view: DataView) {
    this.#view = view
    this.#isLittle = view.getUint32(0) === LITTLE_ENDIAN_MAGIC
    this.#frameSize = FRAME_HEADER + view.getUint32(8)
    this.count = Math.floor((view.byteLength - HEADER) / this.#frameSize)
  }

  /** How many frames are intact and follow one another from the beginning on; undefined if the header is damaged. */
  wholeFrames(): number | undefined {
    let checksum: Checksum = [this.#view.getUint32(24), this.#view.getUint32(28)]
    const found = this.#sum(0, HEADER - 8, [0, 0])
    if (found[0] !== checksum[0] || found[1] !== checksum[1]) return undefined
    let frame = 0
    for (; frame < this.count && this.isWhole(frame, checksum); frame++) checksum = this.checksumOf(frame)
    return frame
  }

  /** Whether a frame belongs to this log, is intact, and was written after a frame with this checksum. */
  isWhole(frame: number, before: Checksum): boolean {
    const at = this.#placeOf(frame)
    for (const offset of [0, 4]) {
      const salt = this.#view.getUint32(SALTS + offset)
      if (this.#view.getUint32(at + SALTS_OF_FRAME + offset) !== salt) return false
    }
    const checksum = this.checksumOf(frame)
    const header = this.#sum(at, at + 8, before)
    const found = this.#sum(at + FRAME_HEADER, at + this.#frameSize, header)
    return found[0] === checksum[0] && found[1] === checksum[1]
  }

  /** Whether a frame is the last one of a transaction, which contains the size of the database. */
  isCommit(frame: number): boolean {
    return this.#view.getUint32(this.#placeOf(frame) + 4) !== 0
  }

  checksumOf(frame: number): Checksum {
    const at = this.#placeOf(frame)
    return [this.#view.getUint32(at + 16), this.#view.getUint32(at + 20)]
  }

  #placeOf(frame: number): number {
    return HEADER + frame * this.#frameSize
  }

  #sum(from: number, to: number, start: Checksum): Checksum {
    let [one, two] = start
    for (let at = from; at < to; at += 8) {
      one = (one + this.#view.getUint32(at, this.#isLittle) + two) >>> 0
      two = (two + this.#view.getUint32(at + 4, this.#isLittle) + one) >>> 0
    }
    return [one, two]
  }
}
