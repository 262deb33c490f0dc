import { Command, Option } from 'commander'
import { DEFAULTS } from '../config.ts'
import type { BackupOptions } from './backup-run.ts'
import { USAGE } from './usage-error.ts'

/** `stowage backup`: copies a data folder, whether a server runs on it or not. */
export function backupCommand(): Command {
  return new Command('backup')
    .description('copy a data folder, also while a server uses it, to one that can be served')
    .requiredOption('--to <folder>', 'where to: a folder that is empty or not there yet')
    .addOption(
      new Option('--data <folder>', 'data folder to copy').default(DEFAULTS.data).env('STOWAGE_DATA'),
    )
    .option('--admin-socket <file>', 'admin socket of the server, if it is elsewhere')
    .option('--json', 'tell the result as JSON')
    .addHelpText(
      'after',
      '\nEnds with 1 if the backup failed, or if bytes of some blobs are not in it; with 2 if it cannot be made like this.',
    )
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : USAGE))
    .action(runLoaded)
}

/** Loaded only for this command, so that a server starts without it. */
async function runLoaded(options: BackupOptions): Promise<void> {
  const { runBackup } = await import('./backup-run.ts')
  await runBackup(options)
}
