/** The exit code for a request that can't be carried out. Exit code 1 means that a registry failed. */
export const USAGE = 2

/** A problem that the user can fix. It is shown in one line, without a stack. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  /** The exit code of the program. */
  readonly exitCode: number

  constructor(message: string, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}
