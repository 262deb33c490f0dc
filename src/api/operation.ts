import { ERRORS, type ErrorId } from '../oci/error.ts'
import type { HeaderName, RequestHeaderName } from './header.ts'
import type { JsonSchema } from './schema.ts'

/** Where something is specified. */
export interface Section {
  title: string
  url: string
}

/** A parameter of a path or of a query. */
export interface ParameterDescription {
  description: string
  schema: JsonSchema
  /** Whether it may be given more than once. */
  repeated?: true
  /** Whether a request without it is refused. */
  required?: true
  /** Whether it filters a list. `OCI-Filters-Applied` then names it. */
  filter?: true
  /** The errors for an invalid value. */
  errors?: readonly ErrorId[]
}

/** A header of an answer. With a question mark, it is present only in the cases that the answer's description gives; otherwise always. */
export type AnswerHeader = HeaderName | `${HeaderName}?`

/** A body by its media type, or by a range of media types. */
export type Content = Readonly<Record<string, JsonSchema>>

/** One way in which an operation can succeed. */
export interface AnswerDescription {
  description: string
  headers?: readonly AnswerHeader[]
  /** No body if absent. */
  content?: Content
  /**
   * When `Content-Length` is missing: `of-head` if HEAD may not know what GET would read, `always` for a stream. If this field is absent,
   * the header is present unless the status excludes a body.
   */
  unmeasured?: 'of-head' | 'always'
}

/**
 * What one method of one endpoint accepts, answers and refuses, as data from which `docs/api` is made. It does not repeat what every
 * operation may answer: {@link COMMON_ERRORS}, the errors of the parameters in its path, and headers that are always present.
 */
export interface Operation {
  /** One word that names this operation and is unique among all operations. */
  id: string
  summary: string
  description?: string
  /** Absent if it is not in any specification. */
  section?: Section
  query?: Readonly<Record<string, ParameterDescription>>
  headers?: readonly RequestHeaderName[]
  body?: { description: string; required: boolean; content: Content }
  answers: Readonly<Record<number, AnswerDescription>>
  errors: readonly ErrorId[]
}

/** The errors with which any request can be refused. */
export const COMMON_ERRORS = [
  'DENIED',
  'REQUEST_INVALID',
  'REQUEST_TIMEOUT',
  'EXPECTATION_FAILED',
  'HEADERS_TOO_LARGE',
  'HOST_UNKNOWN',
  'TRANSFER_CODING_UNSUPPORTED',
  'UNAVAILABLE',
  'UNKNOWN',
] as const satisfies ErrorId[]

/** The errors with which any request that may change something can be refused. */
export const WRITE_ERRORS = ['STORAGE_FULL'] as const satisfies ErrorId[]

/** Headers that an error has in addition to those of all answers. */
export const ERROR_HEADERS: Readonly<Partial<Record<ErrorId, readonly HeaderName[]>>> = {
  METHOD_UNSUPPORTED: ['Allow'],
  RANGE_UNSATISFIABLE: ['Content-Range'],
  UNAVAILABLE: ['Retry-After'],
  UPLOAD_OUT_OF_ORDER: ['Location', 'Docker-Upload-UUID', 'Range'],
}

/** The same operation without bodies: HEAD for a GET. Ranges apply to bodies, so there are none. */
export function headOf(operation: Operation): Operation {
  const { id, summary, answers, headers, errors } = operation
  const withoutBodies = Object.entries(answers).map(([status, { content: _, ...answer }]) => [status, answer])
  return {
    ...operation,
    id: `${id}Head`,
    summary: `${summary}, without the body`,
    ...(headers && { headers: headers.filter((name) => name !== 'Range' && name !== 'If-Range') }),
    answers: Object.fromEntries(withoutBodies.filter(([status]) => status !== '206')),
    errors: errors.filter((error) => error !== 'RANGE_UNSATISFIABLE'),
  }
}

/** A body of one form, in several media types. */
export function contentIn(mediaTypes: readonly string[], schema: JsonSchema): Content {
  return Object.fromEntries(mediaTypes.map((mediaType) => [mediaType, schema]))
}

/** Errors grouped by their status, in ascending order. */
export function errorsByStatus(errors: readonly ErrorId[]): [status: number, errors: ErrorId[]][] {
  const byStatus = new Map<number, ErrorId[]>()
  for (const error of new Set(errors)) {
    const { status } = ERRORS[error]
    byStatus.set(status, [...(byStatus.get(status) ?? []), error])
  }
  return [...byStatus].sort(([one], [two]) => one - two)
}
