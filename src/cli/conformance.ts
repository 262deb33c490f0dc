import { Command, type CommanderError, InvalidArgumentError, Option } from 'commander'
import type { Group } from '../conformance/case.ts'
import type { ConformanceOptions } from './conformance-run.ts'
import { USAGE } from './usage-error.ts'

const GROUPS: readonly Group[] = ['specification', 'clients', 'hostile', 'extensions']

/** `stowage conformance`: tests registries against the specification. */
export function conformanceCommand(): Command {
  return new Command('conformance')
    .description('test whether registries conform to the OCI Distribution Specification')
    .argument(
      '[url...]',
      'registries, as URLs or host:port; the default is http on this machine and https elsewhere',
    )
    .addOption(
      new Option('--spec <version>', 'version of the specification; dev includes unreleased changes')
        .choices(['1.1', 'dev'])
        .default('1.1'),
    )
    .option('--user <name>', 'user to log in as, with --password-stdin; for one registry')
    .option('--password-stdin', 'read the password or token from standard input')
    .option('--repository <prefix>', 'prefix of repository names (default: "conformance")')
    .option('--only <case>', 'run only cases that match this id or pattern; can be repeated', gather)
    .addOption(
      new Option('--group <name>', 'run only this group of cases; can be repeated').argParser(gatherGroup),
    )
    .option('--read-only', 'change nothing, and only read from --repository')
    .option('--read-tag <tag>', 'with --read-only: a tag to read')
    .option('--read-digest <digest>', 'with --read-only: a manifest to read')
    .option('--read-blob <digest>', 'with --read-only: a blob to read')
    .option('--list', 'list the cases without running them')
    .option('--concurrency <count>', 'number of cases to run at the same time', parseCount, 4)
    .option('--http2', 'offer HTTP/2 over https; without it, requests are HTTP/1.1')
    .option(
      '--allow-host <host[:port]>',
      'also send requests to this host if the registry refers to it; can be repeated',
      gather,
    )
    .option('--evidence <folder>', 'write the requests and responses of each failure, for reproducing it')
    .option('--junit <file>', 'write a report as JUnit XML')
    .option('--json <file>', 'write a report as JSON')
    .option('--html <file>', 'write a report as an HTML page, which compares registries if there are several')
    .addHelpText(
      'after',
      '\nExit status: 1 if a MUST is violated, 2 if the tests could not run, 3 if there is no violation but some results are undecided.',
    )
    .exitOverride((error) => exitAfter(error))
    .action(runLoaded)
}

/** The cases and reports are loaded only for this command: a server starts in half the time without them. */
async function runLoaded(urls: string[], options: ConformanceOptions): Promise<void> {
  const { runConformance } = await import('./conformance-run.ts')
  await runConformance(urls, options)
}

/** The parser has already reported the problem. */
function exitAfter({ exitCode }: CommanderError): never {
  process.exit(exitCode === 0 ? 0 : USAGE)
}

function gather(value: string, before: string[] = []): string[] {
  return [...before, value]
}

function gatherGroup(value: string, before: Group[] = []): Group[] {
  const found = GROUPS.find((group) => group === value)
  if (found === undefined) throw new InvalidArgumentError(`The groups are ${GROUPS.join(', ')}.`)
  return [...before, found]
}

function parseCount(value: string): number {
  const count = Number(value)
  if (!/^\d+$/.test(value) || count < 1 || count > 64)
    throw new InvalidArgumentError('It must be a number from 1 to 64.')
  return count
}
