import type { Digest } from '../oci/digest.ts'

/** A blob whose bytes are missing or differ from what the database says. */
export interface LostBlob {
  digest: Digest
  /** The problem, such as `its file is missing`. */
  problem: string
  /** Some of the repositories that it is in. */
  repositories: string[]
}

/** Describes a lost blob in one line. */
export function describeLost({ digest, problem, repositories }: LostBlob): string {
  const where = repositories.length === 0 ? '' : ` of ${repositories.join(', ')}`
  return `blob ${digest}${where}: ${problem}`
}
