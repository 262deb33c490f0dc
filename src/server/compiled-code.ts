import { enableCompileCache, flushCompileCache } from 'node:module'

const FLUSH_AFTER_MS = 2_000

/**
 * Keeps what Node compiles, so that the next start takes half the time. It lies beside the source, so who may change one may change the
 * other; where that can't be written, nothing is kept. It reaches what is imported after this, and threads that start after it.
 *
 * @param folder where it is kept, unless NODE_COMPILE_CACHE names another
 */
export function keepCompiledCode(folder: string): void {
  // Threads look there when they start.
  process.env.NODE_COMPILE_CACHE ??= folder
  enableCompileCache(process.env.NODE_COMPILE_CACHE)
  writeCompiledCodeSoon()
}

/** Writes what was compiled on this thread without waiting for its end: a server may be killed, and would never come to it. */
export function writeCompiledCodeSoon(): void {
  setTimeout(flushCompileCache, FLUSH_AFTER_MS).unref()
}
