import { Command } from 'commander'
import { parseValue } from '../config.ts'
import { TIME_KEPT } from '../settings/time.ts'
import { formatBytes } from './bytes.ts'
import { configOption, settingOption } from './setting-option.ts'
import { readFolderSettings } from './setting-sources.ts'
import { UsageError } from './usage-error.ts'

interface CollectOptions {
  now?: boolean
  tombstones?: boolean
  unused?: string
  data?: string
  adminSocket?: string
  json?: boolean
}

/** The parts of the server's answer that are shown. */
interface Collected {
  uploads: number
  manifests: number
  blobs: number
  keys: number
  freed: number
  pages: number
}

const MIN_UNUSED_MS = 3_600_000

/** `stowage collect`: makes a running server delete content at once that it would delete later. */
export function collectCommand(): Command {
  return new Command('collect')
    .description('make a running server delete unused data immediately')
    .option('--now', 'required to confirm')
    .option('--tombstones', 'also remove deleted manifests, which can then no longer be restored')
    .option('--unused <time>', 'also remove blobs that no manifest has referenced for this long; at least 1h')
    .addOption(configOption())
    .addOption(settingOption('data', 'data folder of the server'))
    .addOption(settingOption('adminSocket', 'admin socket of the server, if not in the data folder'))
    .option('--json', 'print the result as JSON')
    .action(collect)
}

async function collect(options: CollectOptions): Promise<void> {
  if (!options.now)
    throw new UsageError('the server deletes unused data once a minute; add --now to delete it immediately')
  const unused = options.unused === undefined ? undefined : parseValue(TIME_KEPT, '--unused', options.unused)
  if (unused !== undefined && unused < MIN_UNUSED_MS)
    throw new UsageError('--unused must be at least 1h, since pushes in progress may be about to use a blob')
  const { askServer } = await import('./admin-client.ts')
  const { adminSocket } = await readFolderSettings({ flags: { ...options }, environment: process.env })
  const body = { tombstones: options.tombstones === true, ...(unused !== undefined && { unused }) }
  for await (const value of askServer(adminSocket, { route: 'POST /collect', body })) {
    const text = options.json ? JSON.stringify(value) : describe(value as Collected)
    process.stdout.write(`${text}\n`)
  }
}

function describe({ uploads, manifests, blobs, keys, freed, pages }: Collected): string {
  return (
    `freed ${formatBytes(freed)} in ${keys} files and ${pages} pages of the database; ` +
    `removed ${manifests} deleted manifests, ${blobs} unused blobs and ${uploads} old uploads`
  )
}
