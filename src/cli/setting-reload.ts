import type { Logger } from 'pino'
import { type Config, checkSettings, RUNNING_SETTINGS, type Settings } from '../config.ts'
import { flagOf, keyOf, SETTING_NAMES, type SettingName } from '../settings/table.ts'
import { watchFiles } from './file-watch.ts'
import { readSettings, type SettingFaults, type SettingSources, settingFilesOf } from './setting-sources.ts'

/** A setting whose text differs from the one in use; undefined means that it has no value. */
interface SettingChange {
  name: SettingName
  from: string | undefined
  to: string | undefined
}

/** The settings that a server was started with, where they came from, and how it changes them. */
export interface StartedSettings {
  sources: SettingSources
  settings: Settings
  log: Logger
  /** Resolves once the server uses them. */
  configure(config: Config): Promise<void>
}

/** Reads the settings of a running server again, changes those that can change while it runs, and logs what it did. */
export class SettingReload {
  readonly #started: StartedSettings
  #settings: Settings
  readonly #stopWatching: () => void
  #last: Promise<void> = Promise.resolve()
  /** What was logged last about the files, so that a problem is logged once. */
  #told = ''

  /** Reads them from now on whenever one of their files changes. */
  constructor(started: StartedSettings) {
    this.#started = started
    this.#settings = started.settings
    this.#stopWatching = watchFiles(settingFilesOf(started.sources), () => this.#inTurn(() => this.#read()))
  }

  /** Reads them now, and also logs what was logged before. Never rejects. */
  async reload(): Promise<void> {
    await this.#inTurn(async () => {
      this.#told = ''
      const before = this.#settings
      await this.#read()
      if (this.#settings === before && this.#told === '') this.#started.log.info('no setting has changed')
    })
  }

  /** Stops watching the files. */
  stop(): void {
    this.#stopWatching()
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const { log } = this.#started
    this.#last = this.#last
      .then(work)
      .catch((error: unknown) => log.error({ error }, 'the settings could not be read again'))
    return this.#last
  }

  async #read(): Promise<void> {
    const read = await readSettings(this.#started.sources)
    if ('faults' in read) return this.#refuse(read)
    const changes = changesBetween(this.#settings, read.settings)
    const running = changes.filter(({ name }) => RUNNING_SETTINGS.includes(name))
    if (!(await this.#change(running))) return
    this.#tellOfRestart(changes.filter((change) => !running.includes(change)))
  }

  /** @returns false if the server cannot have these values together with the ones that it keeps */
  async #change(changes: readonly SettingChange[]): Promise<boolean> {
    if (changes.length === 0) return true
    const changed = Object.fromEntries(changes.map(({ name, to }) => [name, to]))
    const settings: Settings = { ...this.#settings, ...changed }
    // The settings that need a restart keep their old values, and the new ones may not fit to these.
    const checked = checkSettings(settings)
    if ('faults' in checked) {
      this.#refuse({ faults: checked.faults.map(({ name, message }) => `${flagOf(name)} ${message}`) })
      return false
    }
    await this.#started.configure(checked.config)
    this.#settings = settings
    this.#tellOfChange(changes, checked.config)
    return true
  }

  /** Logs the changes at the old level or at the new one, whichever shows them. */
  #tellOfChange(changes: readonly SettingChange[], { logLevel }: Config): void {
    const { log } = this.#started
    const tell = () => {
      for (const { name, from, to } of changes) {
        const message = `${keyOf(name)} has changed from ${shown(from)} to ${shown(to)}`
        log.info({ setting: name, from, to }, message)
      }
    }
    const isShown = log.isLevelEnabled('info')
    if (isShown) tell()
    log.level = logLevel
    if (!isShown) tell()
  }

  #tellOfRestart(changes: readonly SettingChange[]): void {
    this.#tellOnce(changes, () => {
      for (const { name, from, to } of changes) {
        const message = `${keyOf(name)} needs a restart to change from ${shown(from)} to ${shown(to)}`
        this.#started.log.warn({ setting: name, from, to }, message)
      }
    })
  }

  #refuse({ faults }: SettingFaults): void {
    this.#tellOnce(faults, () => {
      this.#started.log.error(
        { faults },
        'the changed settings cannot be used; the previous ones stay in use',
      )
    })
  }

  #tellOnce(facts: readonly unknown[], tell: () => void): void {
    const before = this.#told
    this.#told = facts.length === 0 ? '' : JSON.stringify(facts)
    if (this.#told !== '' && this.#told !== before) tell()
  }
}

function changesBetween(before: Settings, after: Settings): SettingChange[] {
  return SETTING_NAMES.map((name) => ({ name, from: textOf(before[name]), to: textOf(after[name]) })).filter(
    ({ from, to }) => from !== to,
  )
}

function textOf(value: string | boolean | undefined): string | undefined {
  return value === undefined ? undefined : String(value)
}

function shown(text: string | undefined): string {
  return text ?? 'no value'
}
