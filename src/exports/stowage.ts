import { nodeProblem } from '../node-version.ts'
import type { RegistryOptions, RunningRegistry } from '../server/embedded-registry.ts'

export { ConfigError } from '../config.ts'
export type { RegistryOptions, RunningRegistry } from '../server/embedded-registry.ts'

/**
 * Starts a registry inside this program, on this thread, and accepts connections when it resolves. One process may run several, each with a
 * data folder of its own.
 *
 * @param options by default it listens on a free port of 127.0.0.1 and keeps its data in a temporary folder until it is closed
 * @throws ConfigError if a setting is unknown or its value is not valid, DataFolderError if the data folder cannot be used, for example
 * because another server uses it, or the error of listening, such as EADDRINUSE
 */
export async function startRegistry(options: RegistryOptions = {}): Promise<RunningRegistry> {
  const problem = nodeProblem()
  if (problem !== undefined) throw new Error(problem)
  const { openEmbeddedRegistry } = await import('../server/embedded-registry.ts')
  return await openEmbeddedRegistry(options)
}
