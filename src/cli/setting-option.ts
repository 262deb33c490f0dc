import { Option } from 'commander'
import { keyOf, type SettingName, settingOf, variableOf } from '../settings/table.ts'

/**
 * The option of a setting. Its default and its variable are in the help only: the command reads them itself, with {@link readSettings},
 * since it must know the source of each value.
 *
 * @param help that of the setting, unless the command uses it for something else
 */
export function settingOption(name: SettingName, help = settingOf(name).help): Option {
  const { placeholder, form, default: byDefault, whileRunning } = settingOf(name)
  const choices = form.choices?.map((choice) => JSON.stringify(choice)).join(', ')
  const facts = [
    choices === undefined ? [] : `choices: ${choices}`,
    typeof byDefault === 'string' ? `default: ${JSON.stringify(byDefault)}` : [],
    `env: ${variableOf(name)}${placeholder === undefined ? '=true' : ''}`,
    whileRunning ? 'can change while running' : [],
  ].flat()
  const flags = [`--${keyOf(name)}`, placeholder ?? []].flat().join(' ')
  return new Option(flags, `${help} (${facts.join(', ')})`)
}

/** The option that names the configuration file. */
export function configOption(): Option {
  return new Option(
    '--config <file>',
    'YAML file with settings; flags and variables override it (env: STOWAGE_CONFIG)',
  )
}
