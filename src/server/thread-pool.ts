/**
 * The number of threads in Node's pool, in which every file operation of the process runs. Each of 64 workers, the main thread and the
 * thread of housekeeping need one for a read and one for a write, which is the most that the stores let wait for the disk. The rest is for all other work.
 */
const THREADS = 2 * 66 + 16

/** Makes the pool large enough that operations that hang cannot exhaust it. It must be called before the pool is first used. */
export function sizeThreadPool(): void {
  process.env.UV_THREADPOOL_SIZE ??= String(THREADS)
}
