import { accessSync, chmodSync, constants, lstatSync, statSync, unlinkSync } from 'node:fs'
import { connect, type Server } from 'node:net'
import { dirname } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { Delivery, type Listener, listenerOf, startListening } from './listener.ts'

/** A Unix socket cannot be made. The message gives the reason in one line. */
export class SocketFileError extends Error {
  override readonly name = 'SocketFileError'

  /** The address is in use, found by connecting, by listening, or by the claim of another server that is starting. */
  static inUse(path: string, cause?: unknown): SocketFileError {
    return new SocketFileError(`${path} is already in use: another program is listening on it`, { cause })
  }
}

/** Where to listen: the file of a Unix socket. */
export interface SocketFile {
  /** At most 107 bytes, the limit of the system's address of a Unix socket. */
  path: string
  /** Who may connect: the file's mode. */
  mode: number
  /**
   * Claims the path for this process until it is released. A socket that a dead server left can't be replaced in one step. Without a claim,
   * two servers that start at the same time would each take the other's socket for such a leftover. @throws SocketFileError if another
   * process has it
   */
  claim(): { release(): void }
}

const OWNER_ONLY = 0o177

/**
 * Listens on a Unix socket. A socket that a dead server left is replaced. A socket of a live server, and anything that is not a socket, is
 * left alone. Users whom the mode excludes cannot connect, not even for a moment. Closing the listener removes the file.
 *
 * @throws SocketFileError
 */
export async function openUnixListener({ path, mode, claim }: SocketFile): Promise<Listener> {
  refuseFolder(dirname(path))
  // This is checked before the claim, which leaves a file, and again while the claim is held.
  await hasDeadSocket(path)
  const { release } = claim()
  try {
    if (await hasDeadSocket(path)) unlinkSync(path)
    const delivery = new Delivery()
    const listener = listenerOf([await listenOn(path, mode, delivery)], delivery, [path])
    return {
      ...listener,
      close() {
        listener.close()
        release()
      },
    }
  } catch (error) {
    release()
    throw error instanceof SocketFileError ? error : problemOf(path, error)
  }
}

async function listenOn(path: string, mode: number, delivery: Delivery): Promise<Server> {
  const server = await forOwner(() => startListening({ path }, delivery))
  try {
    chmodSync(path, mode)
    return server
  } catch (error) {
    server.close()
    throw error
  }
}

/**
 * Makes a Unix socket that only its owner can connect to.
 *
 * @param listen makes the socket before it returns
 */
export function forOwner<Result>(listen: () => Result): Result {
  // Only the main thread may set the mask of the process.
  if (!isMainThread) return listen()
  const mask = process.umask(OWNER_ONLY)
  try {
    return listen()
  } finally {
    process.umask(mask)
  }
}

function refuseFolder(folder: string): void {
  try {
    if (!statSync(folder).isDirectory()) throw new SocketFileError(`${folder} is not a folder`)
    accessSync(folder, constants.W_OK | constants.X_OK)
  } catch (error) {
    if (error instanceof SocketFileError) throw error
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') throw new SocketFileError(`the folder ${folder} does not exist`)
    if (code === 'ENOTDIR') throw new SocketFileError(`a part of the path of ${folder} is not a folder`)
    throw new SocketFileError(`this user cannot create files in ${folder}: ${code}`)
  }
}

/** Whether there is already a socket that nothing listens on. @throws SocketFileError if it is anything else */
async function hasDeadSocket(path: string): Promise<boolean> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return false
  if (!found.isSocket()) throw new SocketFileError(`${path} already exists and is not a socket`)
  const answer = await knock(path)
  if (answer === 'ENOENT') return false
  if (answer === 'EACCES')
    throw new SocketFileError(
      `${path} is a socket that this user cannot connect to; remove it if it is unused`,
    )
  if (answer !== 'ECONNREFUSED') throw SocketFileError.inUse(path)
  return true
}

/** @returns the code of the error with which a connection fails; undefined if it is accepted */
function knock(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(undefined)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code))
  })
}

function problemOf(path: string, cause: unknown): SocketFileError {
  const { code, message } = cause as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') return SocketFileError.inUse(path, cause)
  return new SocketFileError(`${path} cannot be created: ${code ?? message}`, { cause })
}
