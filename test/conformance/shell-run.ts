import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** Runs lines by a POSIX shell, as if they were pasted. @returns the status that the last of them shows, or undefined */
export async function runLines(
  lines: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<{ status: number | undefined; stdout: string; stderr: string }> {
  const { cwd, env } = options
  const environment = { PATH: process.env.PATH ?? '', ...env }
  const asked = promisify(execFile)('sh', ['-c', lines.join('\n')], {
    ...(cwd !== undefined && { cwd }),
    env: environment,
    encoding: 'latin1',
    maxBuffer: 64 * 1024 * 1024,
  })
  const { stdout, stderr } = await asked.catch((error: { stdout: string; stderr: string }) => error)
  const statuses = [...stdout.matchAll(/^HTTP\/[\d.]+ (\d{3})\b/gm)].map(([, status]) => Number(status))
  return { status: statuses.find((status) => status >= 200), stdout, stderr }
}
