import { Command } from 'commander'
import type { BackupOptions } from './backup-run.ts'
import { configOption, settingOption } from './setting-option.ts'
import { USAGE } from './usage-error.ts'

/** `stowage backup`: copies a data folder, whether or not a server is using it. */
export function backupCommand(): Command {
  return new Command('backup')
    .description('copy a data folder, even while a server is using it, to a folder that can be served')
    .requiredOption('--to <folder>', 'target folder; must be empty or not exist yet')
    .addOption(configOption())
    .addOption(settingOption('data', 'data folder to copy'))
    .addOption(settingOption('adminSocket', 'admin socket of the server, if not in the data folder'))
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nExit status: 1 if the backup failed or lacks the bytes of some blobs; 2 if the options or folders are not usable.',
    )
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : USAGE))
    .action(runLoaded)
}

/** Loaded only for this command, so that a server starts without it. */
async function runLoaded(options: BackupOptions): Promise<void> {
  const { runBackup } = await import('./backup-run.ts')
  await runBackup(options)
}
