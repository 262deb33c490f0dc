import { startStowage, type TestServer } from '../stowage.ts'
import { wholeFile } from '../whole-file.ts'

/** Starts a server that the tests of a file share, and stops it after the last of them. */
export async function startForFile(): Promise<TestServer> {
  return await startStowage(wholeFile)
}

/** Lets a server answer so many other requests: time enough, counted in work instead of seconds. */
export async function answerOthers(url: string, count: number): Promise<void> {
  for (let answered = 0; answered < count; answered++) await (await fetch(`${url}/v2/`)).text()
}
