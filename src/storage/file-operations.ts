import { mkdir, open, unlink } from 'node:fs/promises'

/** A file that is open for writing, or a folder that is open to be synced. */
export interface WritableFile {
  stat(): Promise<{ size: number }>
  /** @returns how many bytes were written, which may be fewer than were given */
  writev(chunks: Uint8Array[], position: number): Promise<{ bytesWritten: number }>
  truncate(size: number): Promise<void>
  datasync(): Promise<void>
  sync(): Promise<void>
  close(): Promise<void>
}

/** All by which a blob store changes what is on a disk. Errors are those of Node, with a `code`. */
export interface FileOperations {
  open(path: string, flags: number, mode?: number): Promise<WritableFile>
  /** @returns the topmost folder that was made, if it is recursive; undefined if all were there */
  mkdir(path: string, options: { recursive: boolean; mode: number }): Promise<string | undefined>
  unlink(path: string): Promise<void>
}

/** Those of the operating system. */
export const systemFiles: FileOperations = { open, mkdir, unlink }
