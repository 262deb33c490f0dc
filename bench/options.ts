import { parseArgs } from 'node:util'

const MIB = 1024 * 1024

/** What the bench is asked for. */
export interface Options {
  rounds: number
  seconds: number
  /** Names of workloads, or how they begin; all if there are none. */
  only: readonly string[]
  /** Names of systems; all that are found if undefined. */
  systems: readonly string[] | undefined
  /** A file for all figures. */
  json: string | undefined
  /** A commit of Stowage to compare with. */
  against: string | undefined
  /** Flags of `stowage serve`; this checkout is compared with itself running so. */
  variant: string | undefined
  /** Of each push of the workload `memory`, in bytes; as the disk allows if undefined. */
  size: number | undefined
  /** Makes the registries of `growth` anew. */
  fresh: boolean
  list: boolean
  quick: boolean
}

/** A flag is wrong; the message says which. */
export class OptionError extends Error {
  override readonly name = 'OptionError'
}

/** What `--help` prints. */
export const USAGE = `Usage: npm run bench -- [flags]
  --only <name>       a workload, or how its name begins; may be repeated (--list shows all)
  --systems <a,b>     only these systems
  --rounds <n>        rounds of each workload, interleaved; medians are shown (5)
  --seconds <s>       of each measured window (2)
  --json <file>       all figures of all rounds, and the machine
  --against <commit>  compares this checkout of Stowage with another commit of it
  --variant="<flags>"  compares Stowage with itself, started with further flags
  --size <MiB>        of each push of the workload memory (what the disk allows, up to 1024)
  --fresh             makes the registries of the workloads growth anew
  --quick             every workload in a small form: shows that it works, says nothing of speed
  --list              names of workloads and systems`

/** Reads the command line. @throws OptionError */
export function parseOptions(args: readonly string[]): Options | 'help' {
  const { values } = parse(args)
  if (values.help) return 'help'
  return {
    rounds: positive('--rounds', values.rounds),
    seconds: positive('--seconds', values.seconds),
    only: values.only ?? [],
    systems: values.systems?.split(','),
    json: values.json,
    against: values.against,
    variant: values.variant,
    size: values.size === undefined ? undefined : positive('--size', values.size) * MIB,
    fresh: values.fresh,
    list: values.list,
    quick: values.quick,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        rounds: { type: 'string', default: '5' },
        seconds: { type: 'string', default: '2' },
        only: { type: 'string', multiple: true },
        systems: { type: 'string' },
        json: { type: 'string' },
        against: { type: 'string' },
        variant: { type: 'string' },
        size: { type: 'string' },
        fresh: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    throw new OptionError((error as Error).message)
  }
}

function positive(flag: string, text: string): number {
  const value = Number(text)
  if (value > 0) return value
  throw new OptionError(`${flag} must be a number above 0`)
}
