import { median } from './statistics.ts'

/** What a server held at one moment of a long run. */
export interface Sample {
  /** Since the start. */
  seconds: number
  /** Bytes of memory. */
  resident: number
  descriptors: number
  /** Uploads that are begun and not ended. */
  uploads: number
}

/** How one figure went over a run. */
export interface Course {
  figure: 'resident' | 'descriptors' | 'uploads'
  /** Medians of the second and of the last quarter; the first is for warming up. */
  early: number
  late: number
  /** The most that `late` may be. */
  limit: number
  isFlat: boolean
}

/** How much more there may be late than early: a share of it, and something for what comes and goes. */
const ALLOWED: readonly { figure: Course['figure']; share: number; more: number }[] = [
  // What is kept of rows and pages fills up to its bounds: 40 MiB for each worker, and 32 MiB of the writer.
  { figure: 'resident', share: 1.1, more: 128 * 1024 * 1024 },
  { figure: 'descriptors', share: 1, more: 8 },
  { figure: 'uploads', share: 1.2, more: 20 },
]

/** Tells of each figure whether it stays where it was. Needs four samples or more. */
export function coursesOf(samples: readonly Sample[]): Course[] {
  const quarter = Math.floor(samples.length / 4)
  if (quarter < 1) throw new RangeError('four samples are the least that has a course')
  return ALLOWED.map(({ figure, share, more }) => {
    const values = samples.map((sample) => sample[figure])
    const early = median(values.slice(quarter, quarter * 2))
    const late = median(values.slice(-quarter))
    const limit = early * share + more
    return { figure, early, late, limit, isFlat: late <= limit }
  })
}
