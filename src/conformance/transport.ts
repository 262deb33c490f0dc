/** What came back for bytes that need not be HTTP. */
export interface RawAnswer {
  /** The statuses of all final answers, in their order; none if the connection just ended. */
  statuses: readonly number[]
  text: string
  /** Whether the other side ended the connection. */
  ended: boolean
}

/**
 * Sends bytes to the tested registry on a connection of their own, each character one byte, and reads until that ends, nothing more
 * comes, or a bound on bytes or time is reached. Throws Undecided if there is no connection, or nothing comes and it does not end.
 */
export type SendRaw = (bytes: string, options?: { end?: boolean }) => Promise<RawAnswer>
