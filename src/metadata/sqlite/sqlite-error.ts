export const SQLITE_BUSY = 5
export const SQLITE_READONLY = 8
export const SQLITE_IOERR = 10
export const SQLITE_CORRUPT = 11
export const SQLITE_FULL = 13
export const SQLITE_NOTADB = 26

/** The result code of an error of SQLite, without its extension; undefined if it is not one. */
export function primaryCode(error: unknown): number | undefined {
  const { errcode } = error as { errcode?: number }
  return errcode === undefined ? undefined : errcode & 0xff
}

/** Whether the disk failed or is full, so that no command could have succeeded. */
export function isStoreFailure(error: unknown): boolean {
  const code = primaryCode(error)
  return code === SQLITE_IOERR || code === SQLITE_FULL
}
