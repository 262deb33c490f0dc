import { openSystemCalls } from '../system-calls.ts'

interface SystemCalls {
  _exit(code: number): void
}

/**
 * Ends the process without waiting for any of its threads: one that waits for a disk that stands still would keep an ordinary exit waiting.
 * The system itself lets go of such a thread only when the disk answers, but nothing runs any more then.
 *
 * @param code with which it ends; where the system cannot be asked for that it is killed
 */
export async function endProcess(code: number): Promise<void> {
  const calls = await openSystemCalls<SystemCalls>({ _exit: { arguments: ['int32'], return: 'void' } })
  calls?._exit(code)
  process.kill(process.pid, 'SIGKILL')
}
