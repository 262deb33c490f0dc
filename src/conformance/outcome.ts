/** The registry did not answer as it must. */
export class Failure extends Error {
  override readonly name = 'Failure'
  /** The expected result. */
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

/** The behavior of the registry could not be determined: the network failed, or a request would have gone to a forbidden destination. */
export class Undecided extends Error {
  override readonly name = 'Undecided'
}
