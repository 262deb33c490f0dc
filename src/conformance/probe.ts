import type { Exchange, ProbeAnswer, ProbeRequest } from './exchange.ts'
import { Failure } from './outcome.ts'
import type { SendRaw } from './transport.ts'

/** Sends requests. Those of a run go through a session, which answers challenges, follows redirects, and decides which hosts are asked. */
export type Send = (request: ProbeRequest) => Promise<ProbeAnswer>

/** Known content of a registry, for cases that only read. */
export interface Existing {
  repository: string
  tag?: string
  /** Of a manifest. */
  digest?: string
  /** The digest of a blob. */
  blob?: string
}

/** The access of a case to the registry. It sends requests, keeps all exchanges, and remembers what to clean up afterwards. */
export interface Probe {
  /** A repository that only this case uses; the existing one if nothing may be pushed. */
  readonly repository: string
  /** Another one, to mount from. */
  readonly otherRepository: string
  /** Existing content; only if nothing may be pushed. */
  readonly existing?: Existing
  /** Where the registry is: scheme, host and port. */
  readonly origin: string
  /** All exchanges of this case so far. A failure usually concerns the last one. */
  readonly exchanges: readonly Exchange[]
  /** Sends one request and reads the whole answer, up to 32 MiB. Throws Undecided if there is none, or the case has taken too long. */
  send(request: ProbeRequest): Promise<ProbeAnswer>
  /** Sends bytes on a separate connection. Throws NotSupported if such connections are not available. */
  readonly sendRaw: SendRaw
  /** Registers a request to be sent when this case has ended, the last one first. A request that is registered already is ignored. */
  cleanUp(request: ProbeRequest): void
}

/** Random bytes that no registry has seen. */
export function randomContent(size: number): Uint8Array {
  const bytes = new Uint8Array(size)
  for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536))
  return bytes
}

/** Fails unless the status is one of the expected ones. */
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

/** The value of a required header. */
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
