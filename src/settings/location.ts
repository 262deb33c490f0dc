import { join, resolve } from 'node:path'
import { type Form, InvalidValue } from './form.ts'

/** How many bytes the path of a Unix socket may have; the limit of the system's address. */
export const MAX_SOCKET_PATH = 107

/** The admin socket of a server, unless `--admin-socket` names another one. @param data the path of its data folder */
export function adminSocketIn(data: string): string {
  return join(data, 'admin.sock')
}

const UNIX = 'unix:'

/** Where a server listens: on an address, or on a Unix socket. */
export const LISTEN_ADDRESS: Form<{ host: string; port: number } | { path: string }> = {
  unit: '`<host>:<port>` or `unix:<path>`',
  schema: { type: 'string' },
  parse(text) {
    if (text.startsWith(UNIX)) return parseSocketFile(text.slice(UNIX.length))
    const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]*)):(\d{1,5})$/i.exec(text)
    const port = Number(match?.[3])
    if (match !== null && port <= 65_535) return { host: match[1] ?? (match[2] || '::'), port }
    throw new InvalidValue(
      'must be <host>:<port>, such as 127.0.0.1:5000 or [::1]:5000, or unix:<path>, such as unix:/run/stowage/stowage.sock',
    )
  },
}

function parseSocketFile(text: string): { path: string } {
  const path = resolve(text)
  const length = Buffer.byteLength(path)
  if (text === '' || text.endsWith('/') || text.includes('\0'))
    throw new InvalidValue('must name a file after unix:, such as unix:/run/stowage/stowage.sock')
  if (text.startsWith('@'))
    throw new InvalidValue('cannot be an abstract socket, since anyone on this machine could connect to it')
  if (length <= MAX_SOCKET_PATH) return { path }
  throw new InvalidValue(
    `has a path of ${length} bytes, but sockets are limited to ${MAX_SOCKET_PATH}; choose a shorter path, such as unix:/run/stowage/stowage.sock`,
  )
}

/** The path of a Unix socket. */
export const SOCKET_PATH: Form<string> = {
  unit: 'file',
  schema: { type: 'string', minLength: 1 },
  parse(text) {
    const path = resolve(text)
    if (text !== '' && Buffer.byteLength(path) <= MAX_SOCKET_PATH) return path
    throw new InvalidValue(
      `must be the path of a file with ${MAX_SOCKET_PATH} bytes at most, such as /run/stowage/admin.sock`,
    )
  },
}

/** Who may use a file. */
export const FILE_MODE: Form<number> = {
  unit: 'octal mode',
  schema: { anyOf: [{ type: 'string', pattern: '^0?[0-7]{3}$' }, { type: 'integer' }] },
  parse(text) {
    if (/^0?[0-7]{3}$/.test(text)) return Number.parseInt(text, 8)
    throw new InvalidValue('must be the mode of a file in octal, such as 0660')
  },
}

/** The path of a folder. */
export const FOLDER: Form<string> = {
  unit: 'folder',
  schema: { type: 'string', minLength: 1 },
  parse(text) {
    if (text === '') throw new InvalidValue('must name a folder')
    return resolve(text)
  },
}
