import { type Config, ConfigError, checkSettings, DEFAULTS, parseValue, type Settings } from '../config.ts'
import type { Form } from '../settings/form.ts'
import { flagOf, SETTING_NAMES, SETTINGS, type SettingName, variableOf } from '../settings/table.ts'
import { adminSocketOf } from './admin-client.ts'
import { USAGE, UsageError } from './usage-error.ts'

/** Where settings are given. */
export interface SettingSources {
  /** By the names of the settings, as the parser of options has them; others are ignored. */
  flags: Readonly<Record<string, unknown>>
  environment: NodeJS.ProcessEnv
}

/** Settings that were read. */
export interface ReadSettings {
  config: Config
  /** As they were given, and otherwise the defaults. */
  settings: Settings
}

/** A value as it was given. */
interface Given {
  value: string | boolean
  /** Says where; a message about the value begins with it. */
  label: string
}

type GivenSettings = ReadonlyMap<SettingName, Given>

/** Reads all settings: a flag is used before a variable. @throws ConfigError naming what is wrong where it was given */
export function readSettings(sources: SettingSources): ReadSettings {
  const given: GivenSettings = new Map([...fromEnvironment(sources), ...fromFlags(sources)])
  const settings = { ...DEFAULTS, ...valuesOf(given) }
  const checked = checkSettings(settings)
  if ('config' in checked) return { config: checked.config, settings: withSwitches(settings, checked.config) }
  const [fault] = checked.faults.map(
    ({ name, message }) => `${given.get(name)?.label ?? flagOf(name)} ${message}`,
  )
  throw new ConfigError(fault)
}

/** What commands need to know that work on the data folder of a server. */
export interface FolderSettings {
  data: string
  adminSocket: string
}

/** Reads the settings of {@link FolderSettings} as a server does. @throws UsageError */
export function readFolderSettings(sources: SettingSources): FolderSettings {
  const given: GivenSettings = new Map([...fromEnvironment(sources), ...fromFlags(sources)])
  const dataGiven = given.get('data') ?? { value: DEFAULTS.data ?? '', label: flagOf('data') }
  const socketGiven = given.get('adminSocket')
  try {
    const data = parseGiven(SETTINGS.data.form, dataGiven)
    const adminSocket = socketGiven && parseGiven(SETTINGS.adminSocket.form, socketGiven)
    return { data, adminSocket: adminSocket ?? adminSocketOf(data) }
  } catch (error) {
    throw error instanceof ConfigError ? new UsageError(error.message, USAGE) : error
  }
}

function parseGiven<T>(form: Form<T>, { value, label }: Given): T {
  return parseValue(form, label, String(value))
}

/** Switches as booleans, however they were written. */
function withSwitches(settings: Settings, config: Config): Settings {
  const isSwitch = (name: SettingName) => typeof DEFAULTS[name] === 'boolean'
  const switches = SETTING_NAMES.filter(isSwitch).map((name) => [name, config[name]])
  return { ...settings, ...Object.fromEntries(switches) }
}

function fromFlags({ flags }: SettingSources): GivenSettings {
  return collect((name) => {
    const value = flags[name]
    return typeof value === 'string' || value === true ? { value, label: flagOf(name) } : undefined
  })
}

function fromEnvironment({ environment }: SettingSources): GivenSettings {
  return collect((name) => {
    const value = environment[variableOf(name)]
    return value === undefined ? undefined : { value, label: variableOf(name) }
  })
}

function collect(find: (name: SettingName) => Given | undefined): GivenSettings {
  const found = SETTING_NAMES.map((name) => [name, find(name)] as const)
  return new Map(found.filter((entry): entry is [SettingName, Given] => entry[1] !== undefined))
}

function valuesOf(given: GivenSettings): Settings {
  return Object.fromEntries([...given].map(([name, { value }]) => [name, value]))
}
