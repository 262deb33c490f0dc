import type { Digest } from '../oci/digest.ts'
import type { RegistryError } from '../oci/error.ts'
import type { ByteRange } from '../oci/range.ts'
import type { BlobBytes } from '../registry/registry.ts'

interface Head {
  /** 200 if absent. */
  status?: number
  headers?: Readonly<Record<string, string>>
}

/** Parameters that lead to the next page of a list. */
export type PageParameters = Readonly<Record<string, string | readonly string[]>>

/** What a JSON answer says once it is read. */
export interface JsonBody {
  json: unknown
  /** The parameters of the next page: becomes a `Link` with them and all other parameters of the request. */
  next?: PageParameters | undefined
}

/** JSON, of a media type that the client accepts. */
export interface JsonAnswer extends Head {
  type: 'json'
  /** Where the endpoint leaves no choice; `application/json` if absent. */
  mediaType?: string
  /**
   * What the body depends on beside the path, the query, the media type and who asks: it must differ where they could. Makes a strong
   * ETag of it, with all that follows from that. Asked again after the body was read: undefined, or something else then, means no ETag.
   */
  state?(): Promise<string | undefined>
  /** Not called if the client has this state already, nor for HEAD of what has a state. */
  read(): Promise<JsonBody>
}

/** Content by digest: whole or in ranges, and conditional, as blobs are. */
export interface ContentAnswer {
  type: 'content'
  digest: Digest
  mediaType: string
  size: number
  cacheControl: string
  open(range: ByteRange): Promise<BlobBytes>
}

/** Bytes without a known end, sent as they come, in the media type that was chosen. */
export interface StreamAnswer extends Head {
  type: 'stream'
  /** Not called for HEAD. */
  chunks(): AsyncIterable<Uint8Array>
}

/** Only a head. */
export interface EmptyAnswer extends Head {
  type: 'empty'
}

/** A refusal with headers; one without is thrown. */
export interface RefusalAnswer {
  type: 'refusal'
  error: RegistryError
  headers: Readonly<Record<string, string>>
}

/** What an endpoint answers. Conditions, ETags, `Vary`, HEAD and `Link` follow from it. */
export type Answer = JsonAnswer | ContentAnswer | StreamAnswer | EmptyAnswer | RefusalAnswer

/** An answer of JSON that is already known. */
export function jsonAnswer(json: unknown, head: Head = {}): JsonAnswer {
  return { type: 'json', ...head, read: async () => ({ json }) }
}

/** An answer without a body. */
export function emptyAnswer(status: number, headers: Readonly<Record<string, string>> = {}): EmptyAnswer {
  return { type: 'empty', status, headers }
}
