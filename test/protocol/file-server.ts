import { after, type TestContext } from 'node:test'
import { startStowage, type TestServer } from '../stowage.ts'

/** Starts a server that the tests of a file share, and stops it behind the last of them. */
export async function startForFile(): Promise<TestServer> {
  return await startStowage({ after: after as TestContext['after'] })
}
