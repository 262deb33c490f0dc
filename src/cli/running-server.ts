import type { Logger } from 'pino'
import type { LogOutput } from '../server/log-output.ts'
import type { StowageServer } from '../server/server.ts'
import { endProcess } from './end-process.ts'
import type { ServiceManager } from './service-manager.ts'
import type { SettingReload } from './setting-reload.ts'
import type { SignalHandlers, StopSignal } from './signals.ts'
import { feedWatchdog } from './watchdog.ts'

/** How long the end of the program waits for the last lines of the log, in milliseconds. */
const FLUSH_MS = 1_000

/** How signals affect a server, from before it has started. */
export class RunningServer implements SignalHandlers {
  readonly #log: Logger
  readonly #output: LogOutput
  readonly #manager: ServiceManager
  #stopFeeding = () => {}
  #running: { server: StowageServer; facts: object; settings: SettingReload } | undefined
  #stopping = false

  /** @param manager receives each change */
  constructor(log: Logger, output: LogOutput, manager: ServiceManager) {
    this.#log = log
    this.#output = output
    this.#manager = manager
  }

  /** @param facts the fields of the log line */
  started(server: StowageServer, facts: object, settings: SettingReload): void {
    this.#log.info(facts, 'started')
    this.#running = { server, facts, settings }
    const { notify, watchdog } = this.#manager
    if (watchdog !== undefined) {
      const watched = { answers: () => server.answers(), notify: () => notify('WATCHDOG=1') }
      this.#stopFeeding = feedWatchdog(watchdog, watched)
    }
    notify('READY=1', `STATUS=Listens on ${server.urls.join(', ')}`)
  }

  /** Finishes the running requests and ends the program. A second signal doesn't wait for them. */
  stop(signal: StopSignal): void {
    if (this.#stopping) {
      this.#log.warn({ signal }, 'ends at once, since it was told to stop again')
      return void this.#exit(1, endProcess)
    }
    this.#stopping = true
    this.#stopFeeding()
    this.#running?.settings.stop()
    this.#manager.notify('STOPPING=1', 'STATUS=Finishing what runs')
    this.#log.info({ signal }, 'told to stop')
    this.#close().catch((error: unknown) => {
      this.#log.error({ error }, 'the stop failed')
      return this.#exit(1, endProcess)
    })
  }

  reload(): void {
    this.#log.info({ signal: 'SIGHUP' }, 'told to read the settings and the TLS files again')
    void this.#reload()
  }

  async #reload(): Promise<void> {
    // During the start there is nothing to reload, and the server is not ready before it has started.
    if (this.#running === undefined) return
    const { notify } = this.#manager
    notify('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`)
    const { server, settings } = this.#running
    await Promise.all([server.reload(), settings.reload()])
    if (!this.#stopping) notify('READY=1')
  }

  async #close(): Promise<void> {
    // During the start nothing has been acknowledged yet.
    const isWhole = (await this.#running?.server.close()) ?? true
    this.#log.info(this.#running?.facts ?? {}, 'stopped')
    await this.#exit(0, isWhole ? process.exit : endProcess)
  }

  async #exit(code: number, end: (code: number) => unknown): Promise<void> {
    await this.#output.flush(FLUSH_MS)
    end(code)
  }
}
