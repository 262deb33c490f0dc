import { Command } from 'commander'
import type { CheckOptions } from './check-run.ts'
import { configOption, settingOption } from './setting-option.ts'
import { USAGE } from './usage-error.ts'

/** `stowage check`: checks whether a data folder or a backup is complete and undamaged. */
export function checkCommand(): Command {
  return new Command('check')
    .description(
      'check that a data folder or a backup is intact, even while a server is using it; does not change anything by default',
    )
    .addOption(configOption())
    .addOption(settingOption('data', 'data folder or backup folder'))
    .option('--full', 'verify all digests instead of only comparing sizes')
    .option('--delete-orphans', 'delete blob files that are unreferenced and older than an hour')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nExit status: 0 if everything is sound, 1 if it is not, 2 if there is nothing to check.',
    )
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : USAGE))
    .action(runLoaded)
}

/** Loaded only for this command, so that a server starts without it. */
async function runLoaded(options: CheckOptions): Promise<void> {
  const { runCheck } = await import('./check-run.ts')
  await runCheck(options)
}
