import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Address } from './load/connection.ts'
import type { LoadResult } from './load/plan.ts'
import { endedChildrenCpu } from './process-usage.ts'
import { parseWrkOutput, REPORT_SCRIPT } from './wrk-output.ts'

/** What wrk asks for, again and again. Always GET: it waits for the body of an answer to HEAD. */
export interface WrkRun {
  address: Address
  path: string
  /** `Name: value` of each further header. */
  headers: readonly string[]
  connections: number
  seconds: number
  /** Whether the answer is 4xx. */
  refused: boolean
}

const GRACE_SECONDS = 30

/** Runs wrk for at least 0.1 seconds. Its `-d` takes whole seconds only, so a shorter run is ended by a signal. */
export async function runWrk(run: WrkRun): Promise<LoadResult> {
  const { address, path, headers, connections, seconds, refused } = run
  const threads = Math.min(connections, Math.max(1, Math.floor(availableParallelism() / 2)))
  const folder = await mkdtemp(join(tmpdir(), 'stowage-wrk-'))
  try {
    const script = join(folder, 'report.lua')
    await writeFile(script, REPORT_SCRIPT)
    const shape = ['-t', `${threads}`, '-c', `${connections}`, '-d', `${Math.max(1, Math.round(seconds))}s`]
    const args = [...shape, '--timeout', '30s', '-s', script, ...headers.flatMap((line) => ['-H', line])]
    const before = endedChildrenCpu()
    const timeout = (seconds + GRACE_SECONDS) * 1000
    const wrk = promisify(execFile)('wrk', [...args, `http://${address.host}:${address.port}${path}`], {
      timeout,
    })
    // wrk stops on SIGINT and prints its report all the same.
    const early = seconds < 1 ? setTimeout(() => wrk.child.kill('SIGINT'), seconds * 1000) : undefined
    const { stdout } = await wrk.finally(() => clearTimeout(early))
    const output = parseWrkOutput(stdout)
    const failed = (refused ? output.requests - output.refused : output.refused) + output.broken
    return {
      ...output,
      count: output.requests,
      failed,
      ...(failed > 0 && { firstFailure: `GET ${path}: ${output.refused} refused, ${output.broken} broken` }),
      cpuSeconds: endedChildrenCpu() - before,
      threads,
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
