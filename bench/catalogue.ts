import type { Case, Family, Trial } from './workload.ts'
import { PULLS, PUSHES } from './workloads/blobs.ts'
import { IMAGES, MIXED } from './workloads/images.ts'
import { SMALL_READS } from './workloads/small-reads.ts'
import { STARTS } from './workloads/starts.ts'

/** All workloads under load. */
export const FAMILIES: readonly Family[] = [...SMALL_READS, ...PULLS, ...PUSHES, ...IMAGES, MIXED]

/** Workloads that are about starting. */
export const TRIALS: readonly Trial[] = STARTS

/** Whether a workload is wanted: its name begins with one of these; all are if there are none. */
export function isWanted({ name }: { name: string }, only: readonly string[]): boolean {
  return only.length === 0 || only.some((prefix) => name.startsWith(prefix))
}

/** Families with those of their cases that are wanted; in a quick run only the main ones. */
export function wantedFamilies(
  families: readonly Family[],
  { only, quick }: { only: readonly string[]; quick: boolean },
): Family[] {
  const isChosen = (each: Case) => isWanted(each, only) && (each.isMain || !quick)
  return families
    .map((family) => ({ ...family, cases: family.cases.filter(isChosen) }))
    .filter(({ cases }) => cases.length > 0)
}
