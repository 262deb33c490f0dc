import type { Versions } from './versions.ts'

interface MemoEntry {
  version: number
  value: unknown
  bytes: number
}

/**
 * A cache of reads. An entry is valid until its part of the store changes. The size is bounded in bytes; recently used entries stay.
 */
export class Memo {
  readonly #versions: Versions
  readonly #maxBytes: number
  #recent = new Map<string, MemoEntry>()
  #older = new Map<string, MemoEntry>()
  #bytes = 0

  constructor(versions: Versions, maxBytes: number) {
    this.#versions = versions
    this.#maxBytes = maxBytes
  }

  /**
   * The result of a read, new or cached.
   *
   * @param key identifies the read
   * @param parts the parts of the store that it reads; see {@link Versions.read}
   * @param read returns the value; it must read the store before its first await
   * @param sizeOf the approximate size of a value in bytes; undefined if it is too large to keep
   */
  async get<T>(
    key: string,
    parts: readonly string[],
    { read, sizeOf }: { read: () => Promise<T>; sizeOf: (value: T) => number | undefined },
  ): Promise<T> {
    // This happens before the store is read: a later change makes the entry useless, never wrong.
    const version = this.#versions.read(parts)
    if (version === undefined) return await read()
    const found = this.#recent.get(key) ?? this.#older.get(key)
    if (found?.version === version) {
      if (!this.#recent.has(key)) this.#keep(key, found)
      return found.value as T
    }
    const value = await read()
    const bytes = sizeOf(value)
    if (bytes !== undefined && bytes < this.#maxBytes / 16) this.#keep(key, { version, value, bytes })
    return value
  }

  #keep(key: string, entry: MemoEntry): void {
    const replaced = this.#recent.get(key)
    this.#bytes += replaced === undefined ? entry.bytes + 2 * key.length : entry.bytes - replaced.bytes
    this.#recent.set(key, entry)
    if (this.#bytes <= this.#maxBytes / 2) return
    this.#older = this.#recent
    this.#recent = new Map()
    this.#bytes = 0
  }
}
