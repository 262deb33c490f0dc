import { Command } from 'commander'
import { ConfigError } from '../config.ts'
import { StoresError } from '../stores/stores.ts'
import { backupCommand } from './backup.ts'
import { exitOnBrokenPipe } from './broken-pipe.ts'
import { checkCommand } from './check.ts'
import { collectCommand } from './collect.ts'
import { configCommand } from './config.ts'
import { conformanceCommand } from './conformance.ts'
import { jobsCommand } from './jobs.ts'
import { serveCommand } from './serve.ts'
import { releaseSignals } from './signals.ts'
import { UsageError } from './usage-error.ts'
import { readVersion } from './version.ts'

exitOnBrokenPipe()

const program = new Command('stowage')
  .description('A registry for container images and every other OCI artifact')
  .version(readVersion(), '-v, --version', 'print the version')
  .addCommand(serveCommand())
  .addCommand(backupCommand())
  .addCommand(checkCommand())
  .addCommand(collectCommand())
  .addCommand(jobsCommand())
  .addCommand(conformanceCommand())
  .addCommand(configCommand())

// Only a registry that is told to stop has something to finish; other commands do not.
program.hook('preAction', (_program, command) => {
  if (command.name() !== 'serve') releaseSignals()
})

try {
  await program.parseAsync()
} catch (error) {
  const isExpected =
    error instanceof UsageError || error instanceof ConfigError || error instanceof StoresError
  process.stderr.write(`stowage: ${isExpected ? error.message : (error as Error).stack}\n`)
  process.exit(error instanceof UsageError ? error.exitCode : 1)
}
