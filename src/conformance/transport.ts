/** The answer to bytes that need not be HTTP. */
export interface RawAnswer {
  /** The statuses of all final answers, in their order; none if the connection just ended. */
  statuses: readonly number[]
  text: string
  /** Whether the other side ended the connection. */
  ended: boolean
}

/**
 * Sends bytes to the tested registry on a separate connection, one byte per character. It reads until the connection ends, no more bytes
 * arrive, or a limit on bytes or time is reached. Throws Undecided if there is no connection, or no bytes arrive and it does not end.
 */
export type SendRaw = (bytes: string, options?: { end?: boolean }) => Promise<RawAnswer>
