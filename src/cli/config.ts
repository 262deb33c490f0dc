import { Command } from 'commander'
import { readSettings } from './setting-sources.ts'

/** `stowage config`: commands for configuration files. */
export function configCommand(): Command {
  return new Command('config')
    .description('work with configuration files')
    .addCommand(
      new Command('check')
        .description('check a configuration file, together with the environment variables that are set')
        .argument('<file>', 'configuration file of a server')
        .option('--print', 'print all settings as YAML if the file is valid')
        .addHelpText(
          'after',
          '\nExit status: 0 if the settings are valid, 1 if they are not; each fault is one line.',
        )
        .action(check),
    )
}

async function check(file: string, { print }: { print?: boolean }): Promise<void> {
  const read = await readSettings({ flags: { config: file }, environment: process.env })
  if ('faults' in read) {
    process.stdout.write(read.faults.map((fault) => `${fault}\n`).join(''))
    process.exitCode = 1
    return
  }
  if (!print) return void process.stdout.write(`${file} is valid\n`)
  const { formatSettings } = await import('../settings/config-file.ts')
  process.stdout.write(formatSettings(read.settings))
}
