import { Command, Option } from 'commander'
import { DEFAULTS, parseDuration } from '../config.ts'
import { adminSocketOf, askServer } from './admin-client.ts'
import { formatBytes } from './bytes.ts'
import { UsageError } from './usage-error.ts'

interface CollectOptions {
  now?: boolean
  tombstones?: boolean
  unused?: string
  data: string
  adminSocket?: string
  json?: boolean
}

/** What the server answers, as far as it is told here. */
interface Collected {
  uploads: number
  manifests: number
  blobs: number
  keys: number
  freed: number
  pages: number
}

const MIN_UNUSED_MS = 3_600_000

/** `stowage collect`: lets a running server delete at once what it would delete later. */
export function collectCommand(): Command {
  return new Command('collect')
    .description('let a running server delete at once what nobody uses')
    .option('--now', 'say that this is meant')
    .option('--tombstones', 'also deleted manifests: they cannot be brought back then')
    .option('--unused <time>', 'also blobs that no manifest has named for so long; 1h or more')
    .addOption(
      new Option('--data <folder>', 'data folder of the server').default(DEFAULTS.data).env('STOWAGE_DATA'),
    )
    .option('--admin-socket <file>', 'admin socket of the server, if it is elsewhere')
    .option('--json', 'tell the result as JSON')
    .action(collect)
}

async function collect(options: CollectOptions): Promise<void> {
  if (!options.now)
    throw new UsageError('a server collects by itself, once a minute; say --now to let it collect at once')
  const unused = options.unused === undefined ? undefined : parseDuration('--unused', options.unused)
  if (unused !== undefined && unused < MIN_UNUSED_MS)
    throw new UsageError('--unused must be 1h or more: a push that is under way may be about to use a blob')
  const socket = options.adminSocket ?? adminSocketOf(options.data)
  const body = { tombstones: options.tombstones === true, ...(unused !== undefined && { unused }) }
  for await (const value of askServer(socket, { route: 'POST /collect', body })) {
    const text = options.json ? JSON.stringify(value) : describe(value as Collected)
    process.stdout.write(`${text}\n`)
  }
}

function describe({ uploads, manifests, blobs, keys, freed, pages }: Collected): string {
  return (
    `freed ${formatBytes(freed)} in ${keys} files and ${pages} pages of the database; ` +
    `let go of ${manifests} deleted manifests, ${blobs} unused blobs and ${uploads} old uploads`
  )
}
