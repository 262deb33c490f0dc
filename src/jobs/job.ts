/** How many of each thing a run did, or bytes. All are 0 if there was nothing to do. */
export type Figures = Readonly<Record<string, number>>

/** Work that is repeated. */
export interface Job<Result extends Figures = Figures> {
  readonly name: string
  /** About how long after the end of a run the next one begins, in milliseconds. If absent, it only runs when it is asked for. */
  readonly every?: number
  /**
   * A job of the store runs under a lease, in one process at a time, since it works on what all of them share. A job of the process works on
   * what only this process has.
   */
  readonly scope: 'store' | 'process'
  /** How long a run may take, in milliseconds. An hour if absent. */
  readonly limit?: number
  /**
   * Runs once.
   *
   * @param signal aborted if the run takes too long or the process stops. The run should then return what it has done
   * @throws if it failed; it will run again
   */
  run(signal: AbortSignal): Promise<Result>
  /** Called once, with a function that the job calls when there is work before the next run is due. */
  onWork?(ask: () => void): void
}
