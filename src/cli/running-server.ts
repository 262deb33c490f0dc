import type { Logger } from 'pino'
import type { LogOutput } from '../log-output.ts'
import type { StowageServer } from '../server.ts'
import type { SignalHandlers, StopSignal } from './signals.ts'

/** How long the last lines of the log are waited for, in milliseconds. */
const FLUSH_MS = 1_000

/** What signals do to a server, from before it has started. */
export class RunningServer implements SignalHandlers {
  readonly #log: Logger
  readonly #output: LogOutput
  #running: { server: StowageServer; facts: object } | undefined
  #stopping = false

  constructor(log: Logger, output: LogOutput) {
    this.#log = log
    this.#output = output
  }

  /** @param facts what the log says of it */
  started(server: StowageServer, facts: object): void {
    this.#log.info(facts, 'started')
    this.#running = { server, facts }
  }

  /** Finishes what runs and ends the program; a second signal doesn't wait for it. */
  stop(signal: StopSignal): void {
    if (this.#stopping) {
      this.#log.warn({ signal }, 'ends at once, since it was told to stop again')
      return void this.#exit(1)
    }
    this.#stopping = true
    this.#log.info({ signal }, 'told to stop')
    this.#close().catch((error: unknown) => {
      this.#log.error({ error }, 'the stop failed')
      return this.#exit(1)
    })
  }

  reload(): void {
    this.#log.info({ signal: 'SIGHUP' }, 'told to read the TLS files again')
    void this.#running?.server.reload()
  }

  async #close(): Promise<void> {
    // While it starts nothing is promised to anybody yet.
    if (this.#running !== undefined) await this.#running.server.close()
    this.#log.info(this.#running?.facts ?? {}, 'stopped')
    await this.#exit(0)
  }

  async #exit(code: number): Promise<void> {
    await this.#output.flush(FLUSH_MS)
    process.exit(code)
  }
}
