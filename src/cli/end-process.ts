/**
 * Ends the process without waiting for any of its threads: one that waits for a disk that stands still would keep an ordinary exit waiting.
 * The system itself lets go of such a thread only when the disk answers, but nothing runs any more then.
 *
 * @param code with which it ends; where the system cannot be asked for that it is killed
 */
export async function endProcess(code: number): Promise<void> {
  const exit = await systemExit()
  exit?.(code)
  process.kill(process.pid, 'SIGKILL')
}

async function systemExit(): Promise<((code: number) => void) | undefined> {
  try {
    const { dlopen } = await import('node:ffi')
    const { functions } = dlopen(null, { _exit: { arguments: ['int32'], return: 'void' } })
    return functions._exit as unknown as (code: number) => void
  } catch {
    // Node can be built or started without it.
    return undefined
  }
}
