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
  /** Whether nothing is answered without it. */
  required?: true
  /** Whether it narrows what a list holds: then `OCI-Filters-Applied` names it. */
  filter?: true
  /** What a wrong value is refused with. */
  errors?: readonly ErrorId[]
}

/** A header of an answer: always there, or with a question mark only in the cases that the answer's description tells. */
export type AnswerHeader = HeaderName | `${HeaderName}?`

/** A body by its media type, or by a range of media types. */
export type Content = Readonly<Record<string, JsonSchema>>

/** One way in which an operation can end well. */
export interface AnswerDescription {
  description: string
  headers?: readonly AnswerHeader[]
  /** No body if absent. */
  content?: Content
  /**
   * Where `Content-Length` is missing: `of-head` if HEAD may not know what GET would read, `always` of a stream. Present if absent, but for
   * what has no body by its status.
   */
  unmeasured?: 'of-head' | 'always'
}

/**
 * What one method of one endpoint takes, answers and refuses, as data: `docs/api` is made of it. What every operation may answer is not
 * repeated in each: {@link COMMON_ERRORS}, the errors of the parameters in its path, and headers that are always there.
 */
export interface Operation {
  /** Of all operations, one word that names this one. */
  id: string
  summary: string
  description?: string
  /** Absent where no specification has it. */
  section?: Section
  query?: Readonly<Record<string, ParameterDescription>>
  headers?: readonly RequestHeaderName[]
  body?: { description: string; required: boolean; content: Content }
  answers: Readonly<Record<number, AnswerDescription>>
  errors: readonly ErrorId[]
}

/** What any request can be refused with, whatever it asks for. */
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

/** What any request can be refused with that may change something. */
export const WRITE_ERRORS = ['STORAGE_FULL'] as const satisfies ErrorId[]

/** Headers that an error brings beside those of all answers. */
export const ERROR_HEADERS: Readonly<Partial<Record<ErrorId, readonly HeaderName[]>>> = {
  METHOD_UNSUPPORTED: ['Allow'],
  RANGE_UNSATISFIABLE: ['Content-Range'],
  UNAVAILABLE: ['Retry-After'],
  UPLOAD_OUT_OF_ORDER: ['Location', 'Docker-Upload-UUID', 'Range'],
}

/** The same operation without the bodies: HEAD beside GET. Ranges are of bodies, so there are none. */
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

/** Errors by the status that they are sent with, in ascending order. */
export function errorsByStatus(errors: readonly ErrorId[]): [status: number, errors: ErrorId[]][] {
  const byStatus = new Map<number, ErrorId[]>()
  for (const error of new Set(errors)) {
    const { status } = ERRORS[error]
    byStatus.set(status, [...(byStatus.get(status) ?? []), error])
  }
  return [...byStatus].sort(([one], [two]) => one - two)
}
