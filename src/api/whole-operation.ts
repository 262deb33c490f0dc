import type { ErrorId } from '../oci/error.ts'
import { MEDIA_TYPES } from '../oci/media-type.ts'
import type { Endpoint } from './endpoint.ts'
import { type AnswerDescription, type AnswerHeader, type Operation, WRITE_ERRORS } from './operation.ts'

/** What the description of an endpoint is made from. */
export type DescribedEndpoint = Pick<Endpoint, keyof Operation | 'method' | 'mediaTypes'> & { draft?: true }

/**
 * The whole description of an endpoint: its own, and the parts that follow from how endpoints are answered. An answer that may have an
 * `ETag` is conditional. A parameter `cursor` or `last` adds a `Link`, and a filter adds `OCI-Filters-Applied`. A JSON body and each
 * parameter add their refusals. A write may find the disk full, and a draft may not be served.
 */
export function wholeOperation(endpoint: DescribedEndpoint): Operation {
  const { mediaTypes, method, draft, query = {}, headers = [], errors } = endpoint
  const isConditional = Object.values(endpoint.answers).some(hasState)
  const more: AnswerHeader[] = [
    ...(mediaTypes ? (['Vary'] as const) : []),
    ...('cursor' in query || 'last' in query ? (['Link?'] as const) : []),
    ...(Object.values(query).some(({ filter }) => filter) ? (['OCI-Filters-Applied?'] as const) : []),
  ]
  const answers = Object.entries(endpoint.answers).map(([status, answer]) => [
    status,
    withHeaders(answer, more),
  ])
  return {
    ...endpoint,
    headers: [...headers, ...(isConditional ? (['If-Match', 'If-None-Match'] as const) : [])],
    answers: {
      ...Object.fromEntries(answers),
      ...(isConditional && { 304: unchanged(more.filter((header) => header !== 'Link?')) }),
    },
    errors: [
      ...errors,
      ...impliedErrors(endpoint, { isConditional, isNegotiated: mediaTypes !== undefined }),
      ...(method === 'GET' ? [] : WRITE_ERRORS),
      ...(draft ? (['EXTENSION_UNKNOWN'] as const) : []),
    ],
  }
}

function hasState({ headers = [] }: AnswerDescription): boolean {
  return headers.includes('ETag?')
}

function withHeaders(answer: AnswerDescription, more: readonly AnswerHeader[]): AnswerDescription {
  const { content, headers = [] } = answer
  if (content === undefined) return answer
  return {
    ...answer,
    headers: [...headers, ...more],
    ...(hasState(answer) && { unmeasured: 'of-head' as const }),
  }
}

function unchanged(headers: readonly AnswerHeader[]): AnswerDescription {
  return {
    description: 'Nothing has changed since the response whose `ETag` is in `If-None-Match`.',
    headers: ['ETag', ...headers],
  }
}

function impliedErrors(
  { query = {}, body }: Operation,
  { isConditional, isNegotiated }: { isConditional: boolean; isNegotiated: boolean },
): ErrorId[] {
  return [
    ...Object.values(query).flatMap(({ errors = ['PARAMETER_INVALID'] }) => errors),
    ...(body && MEDIA_TYPES.json in body.content
      ? (['BODY_INVALID', 'BODY_TOO_LARGE', 'BODY_TYPE_UNSUPPORTED'] as const)
      : []),
    ...(isConditional ? (['PRECONDITION_FAILED'] as const) : []),
    ...(isNegotiated ? (['NOT_ACCEPTABLE'] as const) : []),
  ]
}
