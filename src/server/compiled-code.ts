// Not by name: an older Node.js lacks them, and could then not even say that it is too old.
import nodeModule from 'node:module'

const FLUSH_AFTER_MS = 2_000

/**
 * Caches the code that Node compiles, so that the next start takes half the time. The cache is next to the source, so that only a user who
 * may change the source may change the cache. If the folder can't be written, nothing is cached. It applies to modules that are imported,
 * and threads that start, after this call.
 *
 * The scripts of package.json name the folder before Node starts. The first files of a checkout are then in the cache too, and the main thread
 * does not load Node's compiler of TypeScript, which takes 15 MiB.
 *
 * @param folder the folder of the cache, unless NODE_COMPILE_CACHE names another
 */
export function keepCompiledCode(folder: string): void {
  // Threads read this variable when they start.
  process.env.NODE_COMPILE_CACHE ??= folder
  nodeModule.enableCompileCache(process.env.NODE_COMPILE_CACHE)
  writeCompiledCodeSoon()
}

/** Writes the compiled code of this thread soon instead of when the thread ends, since a server that is killed never gets there. */
export function writeCompiledCodeSoon(): void {
  setTimeout(nodeModule.flushCompileCache, FLUSH_AFTER_MS).unref()
}
