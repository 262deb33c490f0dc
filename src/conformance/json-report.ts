import type { Report } from './summary.ts'

/** The version of this format. It is raised when a field changes its meaning or is removed, not when one is added. */
const FORMAT = 2

/** Reports as JSON: `{ format, registries }`, each registry a Report. */
export function formatJsonReport(reports: readonly Report[]): string {
  return `${JSON.stringify({ format: FORMAT, registries: reports }, null, 2)}\n`
}
