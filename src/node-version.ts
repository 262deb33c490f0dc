/** The oldest version of Node.js that runs this code, as in `engines` of package.json. */
export const OLDEST_NODE = '26.10.0'

/**
 * Says what to do if Node.js is too old. It must be called before modules are loaded that an older Node.js cannot load.
 *
 * @param version a version of Node.js; by default the one that runs this program
 * @returns a sentence, or undefined if the version is new enough
 */
export function nodeProblem(version: string = process.versions.node): string | undefined {
  if (version.localeCompare(OLDEST_NODE, 'en', { numeric: true }) >= 0) return undefined
  return `Stowage needs Node.js ${OLDEST_NODE} or newer, and this is ${version}`
}
