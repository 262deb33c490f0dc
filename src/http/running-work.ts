/** Counts the work that is running. A promise for each request in a set would cost more. */
export class RunningWork {
  #count = 0
  /** Exists while somebody waits. */
  #waiting: PromiseWithResolvers<void> | undefined

  /** Work begins. It must end exactly once. */
  begin(): void {
    this.#count++
  }

  end(): void {
    this.#count--
    if (this.#count > 0) return
    this.#waiting?.resolve()
    this.#waiting = undefined
  }

  /** Counts work until it ends. */
  track(work: Promise<unknown>): void {
    this.begin()
    const end = () => this.end()
    work.then(end, end)
  }

  /** Resolves as soon as nothing is running. */
  async idle(): Promise<void> {
    if (this.#count === 0) return
    this.#waiting ??= Promise.withResolvers()
    await this.#waiting.promise
  }
}
