import { type Config, withRunningChanges } from '../config.ts'

/** The settings that a thread uses now. Some of them can change while the server runs, so they are read here each time they are needed. */
export class CurrentConfig {
  #config: Config

  constructor(config: Config) {
    this.#config = config
  }

  get value(): Config {
    return this.#config
  }

  /** Uses the settings of another configuration that can change while the server runs; the others stay as they are. */
  change(next: Config): void {
    this.#config = withRunningChanges(this.#config, next)
  }

  /** @returns a function that returns what `make` makes from the settings; it is made again only after a change */
  derive<T>(make: (config: Config) => T): () => T {
    let from = this.#config
    let made = make(from)
    return () => {
      if (from !== this.#config) {
        from = this.#config
        made = make(from)
      }
      return made
    }
  }
}
