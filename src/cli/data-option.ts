import { Option } from 'commander'
import { DEFAULTS } from '../config.ts'

/** The option `--data` of a command that works on a data folder: as for the server, the environment may name it. */
export function dataOption(description: string): Option {
  return new Option('--data <folder>', description).default(DEFAULTS.data).env('STOWAGE_DATA')
}
