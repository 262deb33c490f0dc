import { isSharedFolder, joinDataFolder, openDataFolder } from './data-folder.ts'
import type { Stores, StoresHandle, StoresLog, ThreadStores } from './stores.ts'

/** The settings that choose the stores. */
export interface StoresSettings {
  /** The path of the data folder. */
  data: string
}

/** Opens the stores that the settings name. This is the place that chooses an implementation. @throws StoresError if they can't be used */
export async function openStores({ data }: StoresSettings, log: StoresLog): Promise<Stores> {
  return await openDataFolder(data, { log })
}

/**
 * Opens stores on one more thread.
 *
 * @param handle what the thread that opened them has shared
 * @param threads how many threads wait for the stores at a time; limits for all of them together are divided by this number
 */
export function joinStores(handle: StoresHandle, options: { threads: number; log: StoresLog }): ThreadStores {
  if (isSharedFolder(handle)) return joinDataFolder(handle, options)
  throw new TypeError(`there are no stores of the kind ${handle.kind}`)
}
