/**
 * Threads of Node's pool, in which every file operation of the process runs: one for a read and one for a write of each of 64 workers and of the
 * main thread, which is what storage/disk-gate.ts lets wait for the disk at most, and some for all else.
 */
const THREADS = 2 * 65 + 16

/** Makes the pool so large that operations which hang cannot use it up. It must be called before the pool is first used. */
export function sizeThreadPool(): void {
  process.env.UV_THREADPOOL_SIZE ??= String(THREADS)
}
