import { mkdir, open, unlink } from 'node:fs/promises'
import type { DiskGate } from './disk-gate.ts'

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

/** All operations by which a blob store changes a disk. Errors are those of Node, with a `code`. */
export interface FileOperations {
  open(path: string, flags: number, mode?: number): Promise<WritableFile>
  /** @returns the topmost folder that was made, if it is recursive; undefined if all existed */
  mkdir(path: string, options: { recursive: boolean; mode: number }): Promise<string | undefined>
  unlink(path: string): Promise<void>
}

/** The operations of the operating system. */
export const systemFiles: FileOperations = { open, mkdir, unlink }

/** Makes operations wait at a gate for their turn. */
export function gatedFiles(files: FileOperations, gate: DiskGate): FileOperations {
  return {
    async open(path, flags, mode) {
      const file = await gate.write(() => files.open(path, flags, mode))
      return {
        stat: () => gate.write(() => file.stat()),
        writev: (chunks, position) => gate.write(() => file.writev(chunks, position)),
        truncate: (size) => gate.write(() => file.truncate(size)),
        datasync: () => gate.write(() => file.datasync()),
        sync: () => gate.write(() => file.sync()),
        close: () => gate.write(() => file.close()),
      }
    },
    mkdir: (path, options) => gate.write(() => files.mkdir(path, options)),
    unlink: (path) => gate.write(() => files.unlink(path)),
  }
}
