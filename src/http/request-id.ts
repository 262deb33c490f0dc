import { randomBytes } from 'node:crypto'

/** Tells the threads of a server apart, and each start from the one before. */
const PREFIX = randomBytes(6).toString('hex')
const ID = /^[\w.:/+=@~-]{1,128}$/

let count = 0

/** Makes the id of a request: it is unique, but not secret. This costs no random bytes, because every request needs one. */
export function newRequestId(): string {
  count++
  return `${PREFIX}-${count.toString(36)}`
}

/** Reads an id that a proxy gave to a request. @returns undefined if it is too long or has other characters than ids usually have */
export function parseRequestId(text: string | undefined): string | undefined {
  return text !== undefined && ID.test(text) ? text : undefined
}
