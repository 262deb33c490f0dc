import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Config, ConfigError, checkSettings, type Settings } from '../config.ts'
import { SETTING_NAMES, type SettingName } from '../settings/table.ts'
import { createLog } from './log.ts'
import { startServerInThisThread } from './server.ts'

/** What a registry inside another program has no use for: it answers on the thread that started it. */
type Unused = 'workers'

/**
 * The settings of `stowage serve`, each under the name of its flag in camel case and with the same texts as values, such as
 * `{ keepDeleted: '30d', allowAnonymous: true }`. `docs/operations/settings.md` describes them. Three defaults differ: `listen` is a free
 * port of 127.0.0.1, `data` is a new temporary folder, and `logLevel` is `warn`.
 */
export interface RegistryOptions extends Omit<Settings, Unused> {
  /**
   * Receives each line of the log: a JSON object and a line feed. If absent, lines go to the standard error.
   *
   * @param line as in `docs/operations/logs.md`
   */
  log?: (line: string) => void
}

/** A registry that runs inside this program. */
export interface RunningRegistry {
  /** The address on which it listens, such as `http://127.0.0.1:43781`; `unix:<path>` for a Unix socket. */
  readonly url: string
  /** The path of its data folder. */
  readonly data: string
  /**
   * Stops the registry. Running requests may finish within `drainTimeout`, then they are cut. A temporary folder is deleted. It may be
   * called again, and then waits for the same end.
   */
  close(): Promise<void>
}

/** @see startRegistry in exports/stowage.ts */
export async function openEmbeddedRegistry({ log, ...settings }: RegistryOptions): Promise<RunningRegistry> {
  const temporary = settings.data === undefined ? await mkdtemp(join(tmpdir(), 'stowage-')) : undefined
  const removeTemporary = async () => {
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true })
  }
  try {
    const defaults = { listen: '127.0.0.1:0', logLevel: 'warn' }
    const config = configOf({ ...defaults, ...settings, data: settings.data ?? temporary })
    const output = { write: log ?? ((line: string) => void process.stderr.write(line)) }
    const server = await startServerInThisThread(config, createLog(config, output))
    let closing: Promise<void> | undefined
    return {
      url: server.url,
      data: config.data,
      close() {
        closing ??= server.close().then(removeTemporary)
        return closing
      },
    }
  } catch (error) {
    await removeTemporary()
    throw error
  }
}

/** @throws ConfigError that names the setting as the program wrote it */
function configOf(settings: Readonly<Record<string, unknown>>): Config {
  for (const [name, value] of Object.entries(settings)) {
    if (!isSetting(name)) throw new ConfigError(`${name} is not a setting of an embedded registry`)
    if (value !== undefined && typeof value !== 'string' && typeof value !== 'boolean')
      throw new ConfigError(`${name} must be a text, as the value of its flag`)
  }
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))
  const checked = checkSettings(given)
  if ('config' in checked) return checked.config
  const [fault] = checked.faults
  throw new ConfigError(`${fault?.name} ${fault?.message}`)
}

function isSetting(name: string): name is Exclude<SettingName, Unused> {
  return name !== 'workers' && SETTING_NAMES.some((each) => each === name)
}
