/** The registry answered otherwise than it must. */
export class Failure extends Error {
  override readonly name = 'Failure'
  /** What would have been right. */
  readonly wanted: string
  readonly got: string

  constructor(wanted: string, got: string) {
    super(`wanted ${wanted}; got ${got}`)
    this.wanted = wanted
    this.got = got
  }
}

/** The registry declares that it does not have this. */
export class NotSupported extends Error {
  override readonly name = 'NotSupported'
}

/** What the registry does could not be found out: the network failed, or finding out would have sent a request where none may go. */
export class Undecided extends Error {
  override readonly name = 'Undecided'
}
