import {
  type Answer,
  type AnswerHeader,
  type Content,
  type Operation,
  WRITE_ERRORS,
} from '../api/operation.ts'
import type { JsonSchema } from '../api/schema.ts'
import type { ErrorId } from '../oci/error.ts'
import type { Endpoint } from './extension.ts'

/** A body of one form, in several media types. */
export function contentIn(mediaTypes: readonly string[], schema: JsonSchema): Content {
  return Object.fromEntries(mediaTypes.map((mediaType) => [mediaType, schema]))
}

/**
 * All that an endpoint takes, answers and refuses: its own operation, and what follows from how extensions are answered. An answer that
 * may have an `ETag` is conditional, a parameter `cursor` brings a `Link`, a filter `OCI-Filters-Applied`, a body its refusals; what
 * changes something can be denied, and a draft be missing.
 */
export function wholeOperation({ operation, mediaTypes, method, draft }: Endpoint): Operation {
  const { query = {}, headers = [], errors } = operation
  const isConditional = Object.values(operation.answers).some(hasState)
  const more: AnswerHeader[] = [
    ...(mediaTypes ? (['Vary'] as const) : []),
    ...('cursor' in query ? (['Link?'] as const) : []),
    ...(Object.values(query).some(({ filter }) => filter) ? (['OCI-Filters-Applied?'] as const) : []),
  ]
  const answers = Object.entries(operation.answers).map(([status, answer]) => [
    status,
    withHeaders(answer, more),
  ])
  return {
    ...operation,
    headers: [...headers, ...(isConditional ? (['If-Match', 'If-None-Match'] as const) : [])],
    answers: {
      ...Object.fromEntries(answers),
      ...(isConditional && { 304: unchanged(more.filter((header) => header !== 'Link?')) }),
    },
    errors: [
      ...errors,
      ...impliedErrors(operation, { isConditional, isNegotiated: mediaTypes !== undefined }),
      ...(method === 'GET' ? [] : WRITE_ERRORS),
      ...(draft ? (['EXTENSION_UNKNOWN'] as const) : []),
    ],
  }
}

function hasState({ headers = [] }: Answer): boolean {
  return headers.includes('ETag?')
}

function withHeaders(answer: Answer, more: readonly AnswerHeader[]): Answer {
  const { content, headers = [] } = answer
  if (content === undefined) return answer
  return {
    ...answer,
    headers: [...headers, ...more],
    ...(hasState(answer) && { unmeasured: 'of-head' as const }),
  }
}

function unchanged(headers: readonly AnswerHeader[]): Answer {
  return {
    description: 'Nothing has changed since the response whose `ETag` is in `If-None-Match`.',
    headers: ['ETag', ...headers],
  }
}

function impliedErrors(
  { query, body }: Operation,
  { isConditional, isNegotiated }: { isConditional: boolean; isNegotiated: boolean },
): ErrorId[] {
  return [
    ...(query ? (['PARAMETER_INVALID'] as const) : []),
    ...(body ? (['BODY_INVALID', 'BODY_TOO_LARGE', 'BODY_TYPE_UNSUPPORTED'] as const) : []),
    ...(isConditional ? (['PRECONDITION_FAILED'] as const) : []),
    ...(isNegotiated ? (['NOT_ACCEPTABLE'] as const) : []),
  ]
}
