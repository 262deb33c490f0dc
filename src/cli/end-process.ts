import { openSystemCalls } from '../system-calls.ts'

interface SystemCalls {
  _exit(code: number): void
}

/**
 * Ends the process without waiting for any of its threads: a thread that waits for a stalled disk would block an ordinary exit. The system
 * itself releases such a thread only when the disk answers, but it runs no more code then.
 *
 * @param code the exit code; if the system cannot be asked to exit with it, the process is killed
 */
export async function endProcess(code: number): Promise<void> {
  const calls = await openSystemCalls<SystemCalls>({ _exit: { arguments: ['int32'], return: 'void' } })
  calls?._exit(code)
  process.kill(process.pid, 'SIGKILL')
}
