import { isLoopback } from './loopback.ts'
import { openFilesLimit } from './open-files.ts'
import { automaticConnections, maxConnectionsFor } from './settings/capacity.ts'
import { type Form, InvalidValue } from './settings/form.ts'
import { adminSocketIn } from './settings/location.ts'
import { flagOf, SETTING_NAMES, type SETTINGS, type SettingName, settingOf } from './settings/table.ts'

/** A setting is missing or malformed. The message names the setting and says what a valid value is. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** Settings from flags, environment and files: text, not checked yet. A switch may be a boolean as well. */
export type Settings = {
  readonly [Name in SettingName]?: (typeof SETTINGS)[Name] extends { placeholder: string }
    ? string
    : string | boolean
}

type Value<Name extends SettingName> = ReturnType<(typeof SETTINGS)[Name]['form']['parse']>

/** The parsed value of each setting that has one. */
type Values = {
  readonly [Name in SettingName]: (typeof SETTINGS)[Name] extends { default: string | boolean }
    ? Value<Name>
    : Value<Name> | undefined
}

/** All settings of a server, checked and complete. Times are in milliseconds. */
export type Config = Omit<Values, 'maxConnections'> & { readonly maxConnections: number }

/** The problem of a setting, as the second half of a sentence that begins with its name. */
export interface SettingFault {
  name: SettingName
  message: string
}

/** The default values of settings. */
export const DEFAULTS: Settings = Object.fromEntries(
  SETTING_NAMES.map((name) => [name, settingOf(name).default] as const).filter(
    ([, value]) => value !== undefined,
  ),
)

/** Why an address that other machines can reach needs `--allow-anonymous`. */
export const OPEN_TO_ANYBODY =
  'is reachable from other machines, and there are no accounts yet: anyone who can reach it could push and delete. ' +
  'Add --allow-anonymous if that is what you want'

/** Checks settings and fills in the defaults. @returns the settings of a server, or all problems */
export function checkSettings(settings: Settings): { config: Config } | { faults: readonly SettingFault[] } {
  const read = readValues({ ...DEFAULTS, ...settings })
  if ('faults' in read) return read
  const { values } = read
  const faults = conflictsIn(values)
  if (faults.length > 0) return { faults }
  const maxConnections = values.maxConnections ?? automaticConnections(values.workers)
  return { config: Object.freeze({ ...values, maxConnections }) }
}

/** Checks settings. @throws ConfigError naming the first invalid setting, as a flag */
export function parseConfig(settings: Settings): Config {
  const result = checkSettings(settings)
  if ('config' in result) return result.config
  const [fault] = result.faults
  throw new ConfigError(`${flagOf(fault?.name ?? '')} ${fault?.message}`)
}

/** The settings that a running server can change. */
export const RUNNING_SETTINGS = SETTING_NAMES.filter((name) => settingOf(name).whileRunning)

/** @returns a configuration with those values of `next` that a running server can change, and otherwise those of `config` */
export function withRunningChanges(config: Config, next: Config): Config {
  const changes = RUNNING_SETTINGS.map((name) => [name, next[name]])
  return Object.freeze({ ...config, ...Object.fromEntries(changes) })
}

/** Reads one value. @param name the name in the error message, such as a flag @throws ConfigError */
export function parseValue<T>(form: Form<T>, name: string, text: string): T {
  try {
    return form.parse(text)
  } catch (error) {
    throw error instanceof InvalidValue ? new ConfigError(`${name} ${error.message}`) : error
  }
}

function readValues(settings: Settings): { values: Values } | { faults: readonly SettingFault[] } {
  const values: Partial<Record<SettingName, unknown>> = {}
  const faults: SettingFault[] = []
  for (const name of SETTING_NAMES) {
    const text = settings[name]
    try {
      values[name] = text === undefined ? undefined : settingOf(name).form.parse(String(text))
    } catch (error) {
      if (!(error instanceof InvalidValue)) throw error
      faults.push({ name, message: error.message })
    }
  }
  return faults.length > 0 ? { faults } : { values: values as Values }
}

/** Problems of settings that are each valid by themselves. */
function conflictsIn(values: Values): SettingFault[] {
  const faults: SettingFault[] = []
  const { listen: place, data, adminSocket = adminSocketIn(data), maxConnections, workers } = values
  const { metricsListen } = values
  if ((values.tlsCert === undefined) !== (values.tlsKey === undefined))
    faults.push({ name: 'tlsCert', message: 'and --tls-key must be given together' })
  if ('host' in place && !isLoopback(place.host) && !values.allowAnonymous)
    faults.push({ name: 'listen', message: OPEN_TO_ANYBODY })
  if ('path' in place && place.path === adminSocket)
    faults.push({ name: 'listen', message: 'and --admin-socket are the same file' })
  if (metricsListen !== undefined && 'path' in metricsListen) {
    const { path } = metricsListen
    if (path === adminSocket)
      faults.push({ name: 'metricsListen', message: 'and --admin-socket are the same file' })
    if ('path' in place && path === place.path)
      faults.push({ name: 'metricsListen', message: 'and --listen are the same file' })
  }
  if (maxConnections !== undefined && maxConnections > maxConnectionsFor(workers)) {
    const message = `needs more than the ${openFilesLimit()} open files that this process may have; raise ulimit -n`
    faults.push({ name: 'maxConnections', message })
  }
  return faults
}
