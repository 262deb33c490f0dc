import { type Config, checkSettings, DEFAULTS, type Settings } from '../config.ts'
import type { Position } from '../settings/config-file.ts'
import { type Form, InvalidValue } from '../settings/form.ts'
import { adminSocketIn } from '../settings/location.ts'
import {
  flagOf,
  keyOf,
  SETTING_NAMES,
  SETTINGS,
  type SettingName,
  settingOf,
  variableOf,
} from '../settings/table.ts'
import { readSmallFile } from './small-file.ts'
import { USAGE, UsageError } from './usage-error.ts'

/** The sources of settings. */
export interface SettingSources {
  /** The flags by the names of the settings, as the option parser returns them, and `config`, the configuration file. Others are ignored. */
  flags: Readonly<Record<string, unknown>>
  environment: NodeJS.ProcessEnv
}

/** Settings that were read and checked. */
export interface ReadSettings {
  config: Config
  /** The given values, and otherwise the defaults. */
  settings: Settings
}

/** All problems of the settings, each with its source; at least one. */
export interface SettingFaults {
  faults: readonly string[]
}

/** A value with its source. */
interface Given {
  value: string | boolean
  /** The source. A message about the value begins with it. */
  label: string
  /** The position in the configuration file. */
  position?: Position
}

/** A problem of a source. */
interface SourceFault {
  /** The setting that the problem concerns, if there is one. */
  name?: SettingName
  message: string
  /** The position in the configuration file. */
  position?: Position
}

/** The values of a source. */
interface Source {
  given: ReadonlyMap<SettingName, Given>
  faults: readonly SourceFault[]
}

const CONFIG = 'STOWAGE_CONFIG'
/** More of them would not be useful. */
const MAX_FAULTS = 100

/** The configuration file from a flag or a variable. @throws UsageError */
export function configFileOf({ flags, environment }: SettingSources): string | undefined {
  if (environment[`${CONFIG}_FILE`] !== undefined)
    throw new UsageError(`there is no ${CONFIG}_FILE; ${CONFIG} names the configuration file itself`)
  const { config = environment[CONFIG] } = flags
  return typeof config === 'string' ? config : undefined
}

/** The files that settings come from: the configuration file, and those that variables name. @throws UsageError */
export function settingFilesOf(sources: SettingSources): string[] {
  const files = SETTING_NAMES.map((name) => sources.environment[`${variableOf(name)}_FILE`])
  return [configFileOf(sources), ...files].filter((path) => path !== undefined)
}

/** Reads all settings: a flag has precedence over a variable, and a variable over the configuration file. */
export async function readSettings(sources: SettingSources): Promise<ReadSettings | SettingFaults> {
  const { given, faults } = await gather(sources)
  const settings = { ...DEFAULTS, ...valuesOf(given) }
  const checked = checkSettings(settings)
  if ('config' in checked && faults.length === 0)
    return { config: checked.config, settings: withSwitches(settings, checked.config) }
  const wrong: SourceFault[] = ('faults' in checked ? checked.faults : []).map(({ name, message }) => {
    const { label = flagOf(name), position } = given.get(name) ?? {}
    return { message: `${label} ${message}`, ...(position && { position }) }
  })
  const inOrder = [...faults, ...wrong].sort((one, two) => lineOf(one) - lineOf(two))
  return { faults: inOrder.slice(0, MAX_FAULTS).map(({ message }) => message) }
}

function lineOf({ position }: SourceFault): number {
  return position?.line ?? 0
}

/** The settings for commands that work on the data folder of a server. */
export interface FolderSettings {
  data: string
  adminSocket: string
}

/** Reads the settings of {@link FolderSettings} as a server does; the others need not be valid. @throws UsageError */
export async function readFolderSettings(sources: SettingSources): Promise<FolderSettings> {
  const { given, faults } = await gather(sources)
  const [fault] = faults.filter(({ name }) => name === undefined || name === 'data' || name === 'adminSocket')
  if (fault !== undefined) throw new UsageError(fault.message, USAGE)
  const data = parseGiven(
    SETTINGS.data.form,
    given.get('data') ?? { value: DEFAULTS.data ?? '', label: '--data' },
  )
  const socket = given.get('adminSocket')
  return { data, adminSocket: socket ? parseGiven(SETTINGS.adminSocket.form, socket) : adminSocketIn(data) }
}

function parseGiven<T>(form: Form<T>, { value, label }: Given): T {
  try {
    return form.parse(String(value))
  } catch (error) {
    throw error instanceof InvalidValue ? new UsageError(`${label} ${error.message}`, USAGE) : error
  }
}

/** Converts switches to booleans, however they were written. */
function withSwitches(settings: Settings, config: Config): Settings {
  const isSwitch = (name: SettingName) => typeof DEFAULTS[name] === 'boolean'
  const switches = SETTING_NAMES.filter(isSwitch).map((name) => [name, config[name]])
  return { ...settings, ...Object.fromEntries(switches) }
}

/** Merges all sources into one. */
async function gather(sources: SettingSources): Promise<Source> {
  const path = configFileOf(sources)
  const parts = [
    path === undefined ? NOTHING : await fromFile(path, sources.environment),
    await fromEnvironment(sources.environment),
    fromFlags(sources.flags),
  ]
  return {
    given: new Map(parts.flatMap(({ given }) => [...given])),
    faults: parts.flatMap(({ faults }) => faults),
  }
}

const NOTHING: Source = { given: new Map(), faults: [] }

function fromFlags(flags: SettingSources['flags']): Source {
  const given = new Map<SettingName, Given>()
  for (const name of SETTING_NAMES) {
    const value = flags[name]
    if (typeof value === 'string' || value === true) given.set(name, { value, label: flagOf(name) })
  }
  return { given, faults: [] }
}

/** The value of a variable, or of the file that the variable with the suffix `_FILE` names. */
async function fromEnvironment(environment: NodeJS.ProcessEnv): Promise<Source> {
  const given = new Map<SettingName, Given>()
  const faults: SourceFault[] = []
  for (const name of SETTING_NAMES) {
    const variable = variableOf(name)
    const [value, path] = [environment[variable], environment[`${variable}_FILE`]]
    if (path === undefined) {
      if (value !== undefined) given.set(name, { value, label: variable })
    } else if (value !== undefined) {
      faults.push({ name, message: `${variable} and ${variable}_FILE cannot both be given` })
    } else if (settingOf(name).form.isFile) {
      faults.push({ name, message: `there is no ${variable}_FILE; ${variable} names the file itself` })
    } else {
      try {
        const text = (await readSmallFile(path)).replace(/\r?\n$/, '')
        given.set(name, { value: text, label: `${variable}_FILE` })
      } catch (error) {
        faults.push({ name, message: `${variable}_FILE: ${path} ${(error as Error).message}` })
      }
    }
  }
  return { given, faults }
}

async function fromFile(path: string, environment: NodeJS.ProcessEnv): Promise<Source> {
  const text = await readSmallFile(path).catch((error: Error) => error)
  if (text instanceof Error) return { given: new Map(), faults: [{ message: `${path} ${text.message}` }] }
  // Loaded only if there is a file, so that a server without one starts without this module.
  const { parseConfigFile } = await import('../settings/config-file.ts')
  const { values, faults } = parseConfigFile(text, environment)
  const place = ({ line, column }: Position) => `${path}:${line}:${column}:`
  const given = values.map(({ name, text: value, line, column }): [SettingName, Given] => {
    const position = { line, column }
    return [name, { value, label: `${place(position)} ${keyOf(name)}`, position }]
  })
  return {
    given: new Map(given),
    faults: faults.map((fault) => ({
      ...fault,
      message: `${place(fault)} ${fault.message}`,
      position: fault,
    })),
  }
}

function valuesOf(given: Source['given']): Settings {
  return Object.fromEntries([...given].map(([name, { value }]) => [name, value]))
}
