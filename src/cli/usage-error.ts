/** What the program ends with if it was asked for something that can't be done: 1 says that a registry failed. */
export const USAGE = 2

/** Something the user can mend; it is told in one line, without a stack. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  /** What the program ends with. */
  readonly exitCode: number

  constructor(message: string, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}
