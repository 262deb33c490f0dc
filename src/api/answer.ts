import type { Digest } from '../oci/digest.ts'
import type { RegistryError } from '../oci/error.ts'
import type { ByteRange } from '../oci/range.ts'
import type { BlobAddress, BlobBytes } from '../registry/registry.ts'

interface Head {
  /** 200 if absent. */
  status?: number
  headers?: Readonly<Record<string, string>>
}

/** Parameters that lead to the next page of a list. */
export type PageParameters = Readonly<Record<string, string | readonly string[]>>

/** The content of a JSON answer after it was read. */
export interface JsonBody {
  json: unknown
  /** The parameters of the next page. They become a `Link`, together with all other parameters of the request. */
  next?: PageParameters | undefined
}

/** JSON, of a media type that the client accepts. */
export interface JsonAnswer extends Head {
  type: 'json'
  /** Used if the endpoint offers no choice; `application/json` if absent. */
  mediaType?: string
  /**
   * The state that the body depends on in addition to the path, the query, the media type and the caller. It must differ whenever bodies
   * may differ. It becomes a strong ETag, with all of its consequences. It is read again after the body: if it is then undefined or
   * different, the answer gets no ETag.
   */
  state?(): Promise<string | undefined>
  /** Not called if the client already has this state, nor for HEAD if there is a state. */
  read(): Promise<JsonBody>
}

/** Content by digest: whole or in ranges, and conditional, as blobs are. */
export interface ContentAnswer {
  type: 'content'
  digest: Digest
  mediaType: string
  /** In bytes. */
  size: number
  cacheControl: string
  /** The bytes of a part, or an address from which the client can get any part. */
  open(range: ByteRange): Promise<BlobBytes | BlobAddress>
}

/** Bytes without a known end, sent as they arrive, in the media type that was chosen. */
export interface StreamAnswer extends Head {
  type: 'stream'
  /** Not called for HEAD. */
  chunks(): AsyncIterable<Uint8Array>
}

/** Only a head. */
export interface EmptyAnswer extends Head {
  type: 'empty'
}

/** A refusal with headers. A refusal without headers is thrown instead. */
export interface RefusalAnswer {
  type: 'refusal'
  error: RegistryError
  headers: Readonly<Record<string, string>>
}

/** What an endpoint answers. Conditions, ETags, `Vary`, HEAD and `Link` are derived from it. */
export type Answer = JsonAnswer | ContentAnswer | StreamAnswer | EmptyAnswer | RefusalAnswer

/** An answer of JSON that is already known. */
export function jsonAnswer(json: unknown, head: Head = {}): JsonAnswer {
  return { type: 'json', ...head, read: async () => ({ json }) }
}

/** An answer without a body. */
export function emptyAnswer(status: number, headers: Readonly<Record<string, string>> = {}): EmptyAnswer {
  return { type: 'empty', status, headers }
}
