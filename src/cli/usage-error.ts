/** Something the user can mend; it is told in one line, without a stack. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
