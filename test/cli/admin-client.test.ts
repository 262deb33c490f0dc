import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { assertToldProblem } from './exit.ts'
import { openSandbox } from './program.ts'

/** For tests in which a hang is the failure. */
const HANG = { timeout: 240_000 }

for (const [answer, status, problem] of [
  ['<html>hello</html>', 200, /the program that listens on \S+\.sock is not a Stowage server/],
  ['<html>404</html>', 404, /the program that listens on \S+\.sock is not a Stowage server/],
  ['null', 404, /the server refused the request without a reason/],
] as const) {
  test(
    `a command says in one line that another program answers with ${status} ${answer}`,
    HANG,
    async (t) => {
      const { folder, run } = await openSandbox(t)
      const path = join(folder, 'other.sock')
      const other = createServer((_request, response) => response.writeHead(status).end(answer)).listen(path)
      await once(other, 'listening')
      t.after(() => other.close())
      assertToldProblem(await run(['collect', '--now', '--admin-socket', path]), 1, problem)
    },
  )
}
