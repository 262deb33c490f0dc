import type { Digest } from '../../oci/digest.ts'
import { IS_OF_LIVE } from './parents.ts'
import type { Statements } from './statements.ts'
import { IS_LIVE } from './tags.ts'

const MAX_STEPS_OF_A_MANIFEST = 10_000

/**
 * Determines which manifests of a repository a tag reaches: those that it points to, those that they name, and those that refer to any of
 * these. It remembers its results, so each page needs a new instance.
 */
export class TagReach {
  readonly #statements: Statements
  readonly #repository: number
  readonly #known = new Map<Digest, boolean>()
  #steps = 0

  constructor(statements: Statements, repository: number) {
    this.#statements = statements
    this.#repository = repository
  }

  /** How many manifests it has read. */
  get steps(): number {
    return this.#steps
  }

  /** Whether a tag reaches a manifest. If finding out would take too long, the answer is yes, so that nobody deletes the manifest. */
  reaches(digest: Digest): boolean {
    const known = this.#known.get(digest)
    if (known !== undefined) return known
    const seen = new Set([digest])
    let isReached = false
    // Iterating over a set includes elements that are added in the meantime.
    for (const next of seen) {
      this.#steps++
      const reached = this.#known.get(next)
      isReached = reached === true || seen.size > MAX_STEPS_OF_A_MANIFEST
      if (isReached || (reached === undefined && this.#isTagged(next))) {
        isReached = true
        break
      }
      if (reached === undefined) this.#addAbove(next, seen)
    }
    if (isReached) this.#known.set(digest, true)
    else for (const unreached of seen) this.#known.set(unreached, false)
    return isReached
  }

  #isTagged(digest: Digest): boolean {
    const row = this.#statements.get(
      `SELECT 1 FROM tags t WHERE t.repository = ? AND t.digest = ? AND ${IS_LIVE} LIMIT 1`,
      this.#repository,
      digest,
    )
    return row !== undefined
  }

  /** A manifest is reached from the manifests that name it, and from the manifest that it refers to. */
  #addAbove(digest: Digest, seen: Set<Digest>): void {
    const parents = this.#statements.all(
      `SELECT DISTINCT parent FROM edges e WHERE repository = ? AND child = ? AND ${IS_OF_LIVE} LIMIT +?`,
      this.#repository,
      digest,
      MAX_STEPS_OF_A_MANIFEST + 1,
    )
    for (const { parent } of parents) seen.add(parent as Digest)
    const row = this.#statements.get(
      'SELECT subject FROM manifests WHERE repository = ? AND digest = ?',
      this.#repository,
      digest,
    )
    if (typeof row?.subject === 'string') seen.add(row.subject as Digest)
  }
}
