import { open, stat } from 'node:fs/promises'

const MAX_BYTES = 256 * 1024

/** A file of settings cannot be read. The message gives the reason without naming the file. */
export class UnreadableFile extends Error {
  override readonly name = 'UnreadableFile'
}

/** Reads a file of settings: UTF-8, at most 256 KiB. @throws UnreadableFile */
export async function readSmallFile(path: string): Promise<string> {
  const bytes = await readBytes(path).catch((error: NodeJS.ErrnoException) => {
    throw error instanceof UnreadableFile ? error : new UnreadableFile(reasonOf(error), { cause: error })
  })
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new UnreadableFile('is not UTF-8')
  }
}

async function readBytes(path: string): Promise<Uint8Array> {
  // Opening a pipe could wait forever.
  if (!(await stat(path)).isFile()) throw new UnreadableFile('is not a regular file')
  await using file = await open(path)
  const buffer = Buffer.alloc(MAX_BYTES + 1)
  let length = 0
  for (let read = -1; read !== 0 && length < buffer.length; length += read)
    ({ bytesRead: read } = await file.read(buffer, length, buffer.length - length))
  if (length > MAX_BYTES) throw new UnreadableFile(`is larger than ${MAX_BYTES / 1024} KiB`)
  return buffer.subarray(0, length)
}

function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  return code === 'ENOENT' ? 'does not exist' : `cannot be read: ${code ?? message}`
}
