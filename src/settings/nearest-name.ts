/** How many characters may differ. */
const MAX_DISTANCE = 3

/** The name that the user may have meant; undefined if none is similar. */
export function nearestName(written: string, names: readonly string[]): string | undefined {
  const near = names
    .filter((name) => Math.abs(name.length - written.length) <= MAX_DISTANCE)
    .map((name) => ({ name, distance: distanceBetween(written, name) }))
    .filter(({ name, distance }) => distance <= Math.min(MAX_DISTANCE, name.length / 2))
  return near.sort((one, two) => one.distance - two.distance)[0]?.name
}

/** How many characters have to be inserted, removed or replaced. */
function distanceBetween(one: string, two: string): number {
  let row = Array.from({ length: two.length + 1 }, (_, index) => index)
  for (let at = 0; at < one.length; at++) {
    const next = [at + 1]
    for (let other = 0; other < two.length; other++) {
      const replaced = (row[other] ?? 0) + (one[at] === two[other] ? 0 : 1)
      next.push(Math.min(replaced, (row[other + 1] ?? 0) + 1, (next[other] ?? 0) + 1))
    }
    row = next
  }
  return row[two.length] ?? 0
}
