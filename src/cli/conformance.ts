import { Command, type CommanderError, InvalidArgumentError, Option } from 'commander'
import type { Group } from '../conformance/case.ts'
import type { ConformanceOptions } from './conformance-run.ts'
import { USAGE } from './usage-error.ts'

const GROUPS: readonly Group[] = ['specification', 'clients', 'hostile', 'extensions']

/** `stowage conformance`: holds registries to the specification. */
export function conformanceCommand(): Command {
  return new Command('conformance')
    .description('test whether registries do what the OCI Distribution Specification says')
    .argument('[url...]', 'registries: URLs, or host:port, which is http on this machine and else https')
    .addOption(
      new Option('--spec <version>', 'dev adds what is merged and not released')
        .choices(['1.1', 'dev'])
        .default('1.1'),
    )
    .option('--user <name>', 'user to log in as, with --password-stdin; for one registry')
    .option('--password-stdin', 'read the password or token from standard input')
    .option('--repository <prefix>', 'what names of repositories begin with (default: "conformance")')
    .option('--only <case>', 'run this case, by id or pattern; can be given again', gather)
    .addOption(
      new Option('--group <name>', 'run only this group of cases; can be given again').argParser(gatherGroup),
    )
    .option('--read-only', 'change nothing: read what --repository has')
    .option('--read-tag <tag>', 'with --read-only: a tag to read')
    .option('--read-digest <digest>', 'with --read-only: a manifest to read')
    .option('--read-blob <digest>', 'with --read-only: a blob to read')
    .option('--list', 'list the cases and run none')
    .option('--concurrency <count>', 'cases at once', parseCount, 4)
    .option('--http2', 'offer HTTP/2 over https; without it, requests are HTTP/1.1')
    .option(
      '--allow-host <host[:port]>',
      'send requests there too if the registry leads there; can be given again',
      gather,
    )
    .option('--evidence <folder>', 'write what repeats each failure: requests, their bodies, answers')
    .option('--junit <file>', 'write a report as JUnit XML')
    .option('--json <file>', 'write a report as JSON')
    .option(
      '--html <file>',
      'write a report as one page of HTML, which compares if there are several registries',
    )
    .addHelpText(
      'after',
      '\nEnds with 1 if a MUST is broken, 2 if it could not test, 3 if nothing is broken and not all could be decided.',
    )
    .exitOverride((error) => exitAfter(error))
    .action(runLoaded)
}

/** The cases and reports are loaded only for this command: a server starts in half the time without them. */
async function runLoaded(urls: string[], options: ConformanceOptions): Promise<void> {
  const { runConformance } = await import('./conformance-run.ts')
  await runConformance(urls, options)
}

/** The parser has told by now what is wrong. */
function exitAfter({ exitCode }: CommanderError): never {
  process.exit(exitCode === 0 ? 0 : USAGE)
}

function gather(value: string, before: string[] = []): string[] {
  return [...before, value]
}

function gatherGroup(value: string, before: Group[] = []): Group[] {
  const found = GROUPS.find((group) => group === value)
  if (found === undefined) throw new InvalidArgumentError(`Groups are ${GROUPS.join(', ')}.`)
  return [...before, found]
}

function parseCount(value: string): number {
  const count = Number(value)
  if (!/^\d+$/.test(value) || count < 1 || count > 64) throw new InvalidArgumentError('It is 1 to 64.')
  return count
}
