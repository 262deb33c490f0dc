import type { Report } from './summary.ts'

/** The number of this shape: raised when something in it changes its meaning or goes, not when something comes. */
const FORMAT = 2

/** Reports as JSON: `{ format, registries }`, each registry a Report. */
export function formatJsonReport(reports: readonly Report[]): string {
  return `${JSON.stringify({ format: FORMAT, registries: reports }, null, 2)}\n`
}
