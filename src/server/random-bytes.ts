import { randomFillSync } from 'node:crypto'

const BLOCK_BYTES = 4096

/**
 * Makes a source of random bytes for ids and keys. It asks the system for a block at a time, since asking for a few bytes costs as much as
 * for many. No byte is given out twice.
 */
export function randomSource(): (size: number) => Uint8Array {
  let rest = new Uint8Array()
  return (size) => {
    if (rest.length < size) rest = randomFillSync(new Uint8Array(Math.max(size, BLOCK_BYTES)))
    const taken = rest.slice(0, size)
    rest = rest.subarray(size)
    return taken
  }
}
