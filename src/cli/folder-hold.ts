import { setTimeout as sleep } from 'node:timers/promises'
import { claimStopped } from '../maintenance/claim.ts'
import { folderIdentity } from '../stores/data-folder.ts'
import { askServer, NoServerError } from './admin-client.ts'
import { UsageError } from './usage-error.ts'

/** A data folder whose blobs are not deleted until it is released. */
export interface FolderHold {
  /** Whether a server has the folder open. */
  readonly isServed: boolean
  release(): void
}

const RETRY_MS = 500

/**
 * Ensures that no blob of a data folder is deleted. If a server has it open, the server is asked to keep the blobs; otherwise no server can
 * start on it.
 *
 * @param socket the admin socket of the server
 * @throws UsageError or DataFolderError if neither is possible
 */
export async function holdFolder(data: string, socket: string): Promise<FolderHold> {
  const since = Date.now()
  const ending = new AbortController()
  const pinning = pin(socket, since, ending.signal)
  const answer = await pinning.next().catch((error: unknown) => {
    if (error instanceof NoServerError) return undefined
    throw error
  })
  if (answer === undefined) return { isServed: false, release: await claim(data, socket) }
  const { folder } = answer.value as { folder?: string }
  if (folder !== (await folderIdentity(data))) {
    ending.abort()
    throw new UsageError(
      `the server on ${socket} does not use ${data}; specify the right socket with --admin-socket`,
    )
  }
  void keepPinned(pinning, () => pin(socket, since, ending.signal), ending.signal)
  return { isServed: true, release: () => ending.abort() }
}

function pin(socket: string, since: number, signal: AbortSignal): AsyncGenerator<unknown> {
  return askServer(socket, { route: 'POST /pin', body: { since }, signal })
}

/**
 * If the server ends, nothing is deleted. The next server is asked as soon as it runs, which is before its first sweep. It must not be kept
 * from starting.
 */
async function keepPinned(
  first: AsyncGenerator<unknown>,
  again: () => AsyncGenerator<unknown>,
  signal: AbortSignal,
): Promise<void> {
  for (let pinning = first; !signal.aborted; pinning = again()) {
    try {
      for await (const _ of pinning);
    } catch {
      // There is no server now, or it was cut off.
    }
    await sleep(RETRY_MS, undefined, { signal, ref: false }).catch(() => {})
  }
}

async function claim(data: string, socket: string): Promise<() => void> {
  const release = await claimStopped(data)
  if (release !== undefined) return release
  throw new UsageError(
    `a server uses ${data}, or another backup of it is being made, and no server is listening on ${socket}; specify its socket with --admin-socket`,
  )
}
