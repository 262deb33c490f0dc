import type { Digest } from '../oci/digest.ts'
import type { TagCondition } from './tags.ts'

/** Whether a tag that points to this digest meets the condition of a command. */
export function conditionHolds(current: Digest | undefined, { ifMatch, ifNoneMatch }: TagCondition): boolean {
  const matches = (list: '*' | readonly string[]) =>
    current !== undefined && (list === '*' || list.includes(current))
  if (ifMatch !== undefined && !matches(ifMatch)) return false
  return ifNoneMatch === undefined || !matches(ifNoneMatch)
}
