import type { Digest } from '../oci/digest.ts'

/** A blob whose bytes are not what its database says, or are not there. */
export interface LostBlob {
  digest: Digest
  /** What is wrong with it, such as `its file is missing`. */
  problem: string
  /** Some of the repositories that it is in. */
  repositories: string[]
}

/** Tells of a lost blob in one line. */
export function describeLost({ digest, problem, repositories }: LostBlob): string {
  const where = repositories.length === 0 ? '' : ` of ${repositories.join(', ')}`
  return `blob ${digest}${where}: ${problem}`
}
