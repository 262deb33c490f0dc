import { Command, Option } from 'commander'
import { DEFAULTS } from '../config.ts'
import type { CheckOptions } from './check-run.ts'
import { USAGE } from './usage-error.ts'

/** `stowage check`: looks whether a data folder or a backup is whole. */
export function checkCommand(): Command {
  return new Command('check')
    .description('check that a data folder or a backup is whole, also while a server uses it; only reads')
    .addOption(
      new Option('--data <folder>', 'data folder, or folder of a backup')
        .default(DEFAULTS.data)
        .env('STOWAGE_DATA'),
    )
    .option('--full', 'also hash all bytes, and not only compare sizes')
    .option('--delete-orphans', 'delete files of blobs that nothing names and that are older than an hour')
    .option('--json', 'tell the result as JSON')
    .addHelpText('after', '\nEnds with 0 if all is sound, 1 if it is not, 2 if there is nothing to check.')
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : USAGE))
    .action(runLoaded)
}

/** Loaded only for this command, so that a server starts without it. */
async function runLoaded(options: CheckOptions): Promise<void> {
  const { runCheck } = await import('./check-run.ts')
  await runCheck(options)
}
