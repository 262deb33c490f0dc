import { createHash } from 'node:crypto'

/** Random choices that a seed repeats. */
export interface Random {
  /** From 0 up to 1, without 1. */
  next(): number
  /** A whole number from `least` to `most`, both inclusive. */
  between(least: number, most: number): number
  chance(probability: number): boolean
  /** @throws if there is nothing to choose from */
  pick<T>(list: readonly T[]): T
  bytes(size: number): Buffer
  /** Choices of their own, whatever happens to these. */
  fork(name: string): Random
}

/** Makes random choices of a seed. */
export function seededRandom(seed: string): Random {
  let count = 0
  const draw = (size: number) =>
    createHash('shake256', { outputLength: size }).update(`${seed}\0${count++}`).digest()
  const next = () => draw(6).readUIntBE(0, 6) / 2 ** 48
  const between = (least: number, most: number) => least + Math.floor(next() * (most - least + 1))
  return {
    next,
    between,
    chance: (probability) => next() < probability,
    pick(list) {
      if (list.length === 0) throw new RangeError('nothing to choose from')
      return list[between(0, list.length - 1)] as (typeof list)[number]
    },
    bytes: draw,
    fork: (name) => seededRandom(`${seed}/${name}`),
  }
}
