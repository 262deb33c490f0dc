import fc from 'fast-check'

const DEFAULT_RUNS = 1_000

/** How often a property is tried: as often as the environment variable `FAST_CHECK_RUNS` says, or 1,000 times. */
const RUNS = Number(process.env.FAST_CHECK_RUNS || DEFAULT_RUNS)

/**
 * Fails with the smallest counterexample unless a check passes for each value. The message has the seed, which the environment
 * variable `FAST_CHECK_SEED` repeats.
 *
 * @param share of the runs, for checks that take long
 */
export function holds<T>(values: fc.Arbitrary<T>, check: (value: T) => void, share = 1): void {
  fc.assert(fc.property(values, check), parameters(share))
}

/** As {@link holds}, one value after the other, for checks that wait for something. */
export async function holdsAsync<T>(
  values: fc.Arbitrary<T>,
  check: (value: T) => Promise<void>,
  share = 1,
): Promise<void> {
  await fc.assert(fc.asyncProperty(values, check), parameters(share))
}

function parameters(share: number): { numRuns: number; seed?: number } {
  const seed = process.env.FAST_CHECK_SEED
  return { numRuns: Math.ceil(RUNS * share), ...(seed && { seed: Number(seed) }) }
}
