import {
  flagOf,
  GROUPS,
  SETTING_NAMES,
  type SettingName,
  settingOf,
  variableOf,
} from '../../src/settings/table.ts'

const INTRODUCTION = `# Settings

<!-- Made by \`npm run settings\` from src/settings/table.ts. -->

Each setting is a flag of \`stowage serve\`, an environment variable, or a key in a [configuration file](configuration.md): the flag without the dashes in front. A flag
is used before the variable, and the variable before the file. A value that is wrong, a flag or a key that does not exist, stops the start with one line that
says what would be right; a variable that does not exist is ignored. Some changes
[take effect while the server runs](configuration.md#change-settings-while-the-server-runs), the others at the next start. The line \`started\` of the [log](logs.md) names all settings that differ from the defaults.

**Times** are a whole number and a unit: \`90s\`, \`30m\`, \`24h\` or \`7d\`; or \`never\`. **Sizes** are bytes: \`5000000000\`, \`500M\` or \`5G\`, in powers of 1024.
A switch is on with the flag, or with \`true\` in the variable.
`

const HEAD = `| flag | variable | default | unit | takes effect | what it is for, and when to change it |
|---|---|---|---|---|---|`

/** The page on settings, docs/operations/settings.md. */
export function makeSettingsPage(): string {
  return [INTRODUCTION, ...GROUPS.map(sectionOf)].join('\n')
}

function sectionOf(group: (typeof GROUPS)[number]): string {
  const rows = SETTING_NAMES.filter((name) => settingOf(name).group === group).map(rowOf)
  return `## ${group}\n\n${[HEAD, ...rows].join('\n')}\n`
}

function rowOf(name: SettingName): string {
  const { form, advice, whileRunning } = settingOf(name)
  const effect = whileRunning ? 'while running' : 'at restart'
  const cells = [`\`${flagOf(name)}\``, `\`${variableOf(name)}\``, defaultOf(name), form.unit, effect, advice]
  return `| ${cells.join(' | ')} |`
}

function defaultOf(name: SettingName): string {
  const { default: byDefault, withoutDefault = '' } = settingOf(name)
  if (byDefault === undefined) return withoutDefault
  return typeof byDefault === 'boolean' ? 'off' : `\`${byDefault}\``
}
