import type { Versions } from './versions.ts'

interface Entry {
  version: number
  value: unknown
  bytes: number
}

/**
 * What was read, for as long as nothing has changed in the part of the store that it is of. Bounded in bytes; what was used last stays.
 */
export class Memo {
  readonly #versions: Versions
  readonly #maxBytes: number
  #recent = new Map<string, Entry>()
  #older = new Map<string, Entry>()
  #bytes = 0

  constructor(versions: Versions, maxBytes: number) {
    this.#versions = versions
    this.#maxBytes = maxBytes
  }

  /**
   * What a reading gives, or gave.
   *
   * @param key of the reading, among all
   * @param parts of the store that it looks at; see {@link Versions.read}
   * @param read gives the value; it must look at the store before it first waits
   * @param sizeOf how many bytes a value takes, about; undefined if it is too large to keep
   */
  async get<T>(
    key: string,
    parts: readonly string[],
    { read, sizeOf }: { read: () => Promise<T>; sizeOf: (value: T) => number | undefined },
  ): Promise<T> {
    // Before the store is looked at: what changes after this makes the entry useless, never wrong.
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

  #keep(key: string, entry: Entry): void {
    const replaced = this.#recent.get(key)
    this.#bytes += replaced === undefined ? entry.bytes + 2 * key.length : entry.bytes - replaced.bytes
    this.#recent.set(key, entry)
    if (this.#bytes <= this.#maxBytes / 2) return
    this.#older = this.#recent
    this.#recent = new Map()
    this.#bytes = 0
  }
}
