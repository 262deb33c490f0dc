import type { Exchange, ProbeAnswer, ProbeRequest } from './exchange.ts'
import { Failure } from './outcome.ts'
import type { SendRaw } from './transport.ts'

/** What sends requests; the runner gives one that authenticates and keeps to the registry's host. */
export type Send = (request: ProbeRequest) => Promise<ProbeAnswer>

/** What a registry is known to have, for cases that only read. */
export interface Existing {
  repository: string
  tag?: string
  /** Of a manifest. */
  digest?: string
  /** The digest of a blob. */
  blob?: string
}

/** A case's hold on the registry: it sends, keeps what went over the line, and remembers what to take away afterwards. */
export interface Probe {
  /** A repository of this case alone. */
  readonly repository: string
  /** Another one, to mount from. */
  readonly otherRepository: string
  /** What is there already; only where nothing may be pushed. */
  readonly existing?: Existing
  /** Where the registry is: scheme, host and port. */
  readonly origin: string
  /** All exchanges so far, the one that a failure is about last. */
  readonly exchanges: readonly Exchange[]
  /** Sends one request and reads the answer whole, up to 32 MiB. */
  send(request: ProbeRequest): Promise<ProbeAnswer>
  /** Sends bytes on a connection of their own. Throws NotSupported where there are none. */
  readonly sendRaw: SendRaw
  /** Has a request sent when all cases that need this one are done. */
  cleanUp(request: ProbeRequest): void
}

/** Random bytes that no registry has seen. */
export function randomContent(size: number): Uint8Array {
  const bytes = new Uint8Array(size)
  for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536))
  return bytes
}

/** Fails unless the status is one of those wanted. */
export function wantStatus(answer: ProbeAnswer, ...statuses: number[]): void {
  if (!statuses.includes(answer.status))
    throw new Failure(`status ${statuses.join(' or ')}`, `${answer.status}`)
}

/** Fails unless a header has this value. */
export function wantHeader(answer: ProbeAnswer, name: string, value: string): void {
  const found = answer.headers.get(name)
  if (found !== value)
    throw new Failure(`${name}: ${value}`, found === null ? `no ${name}` : `${name}: ${found}`)
}

/** The value of a header that must be there. */
export function requireHeader(answer: ProbeAnswer, name: string): string {
  const found = answer.headers.get(name)
  if (found === null) throw new Failure(`a ${name} header`, 'none')
  return found
}

/** Fails unless the body is exactly these bytes. */
export function wantBody(answer: ProbeAnswer, bytes: Uint8Array): void {
  const { body } = answer
  const same = body.length === bytes.length && body.every((byte, index) => byte === bytes[index])
  if (!same)
    throw new Failure(`a body of exactly the ${bytes.length} bytes`, `${body.length} bytes that differ`)
}

/** The body as JSON. */
export function requireJson(answer: ProbeAnswer): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(answer.body))
  } catch {
    throw new Failure('a JSON body', 'something else')
  }
}
