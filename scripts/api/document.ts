import { COMMON_HEADERS, HEADERS, type HeaderName, REQUEST_HEADERS } from '../../src/api/header.ts'
import {
  type AnswerDescription,
  type AnswerHeader,
  COMMON_ERRORS,
  ERROR_HEADERS,
  errorsByStatus,
  type Operation,
} from '../../src/api/operation.ts'
import { PATH_PARAMETERS, type PathParameterName } from '../../src/api/path.ts'
import { SCHEMAS, schemaNamed } from '../../src/api/schema.ts'
import { ERRORS, type ErrorId } from '../../src/oci/error.ts'
import { MEDIA_TYPES } from '../../src/oci/media-type.ts'
import { type Endpoint, errorsOf, extensionSchemas, GROUPS, listEndpoints } from './endpoints.ts'

/** Something in an OpenAPI document. */
export type Json = Record<string, unknown>

const HEAD = '.head'
const OPTIONAL = 'Optional-'

const DESCRIPTION = `The OCI Distribution Specification, the parts of the Docker Registry HTTP API V2 that clients still use, and extensions.

The parameter \`name\` holds slashes, which stand in the path as they are: OpenAPI cannot say that. Where a path has another form or
another method, the extension fields \`x-other-paths\` and \`x-other-methods\` have what is answered.`

/** The API as an OpenAPI 3.1 document, made of the endpoints that the server has. */
export function makeDocument(): Json {
  const paths = Object.fromEntries(listEndpoints().map((endpoint) => [endpoint.path, pathItem(endpoint)]))
  const others = otherPaths()
  const responses = Object.fromEntries(referencesIn([paths, others], 'responses').map(responseComponent))
  const headers = Object.fromEntries(referencesIn([paths, others, responses], 'headers').map(headerComponent))
  return {
    openapi: '3.1.0',
    info: {
      title: 'Stowage',
      version: '2',
      summary: 'A registry of OCI artifacts',
      description: DESCRIPTION,
    },
    servers: [{ url: '/', description: 'Wherever the registry listens.' }],
    security: [],
    tags: Object.entries(GROUPS).map(([name, description]) => ({ name, description })),
    paths,
    'x-other-paths': others,
    components: {
      schemas: { ...SCHEMAS, ...extensionSchemas() },
      parameters: Object.fromEntries(Object.keys(PATH_PARAMETERS).map(pathParameter)),
      headers,
      responses,
    },
  }
}

function pathParameter(name: string): [name: string, parameter: Json] {
  const { description, schema } = PATH_PARAMETERS[name as PathParameterName]
  return [name, { name, in: 'path', required: true, description, schema }]
}

function pathItem(endpoint: Endpoint): Json {
  const parameters = endpoint.parameters.map((name) => ({ $ref: `#/components/parameters/${name}` }))
  const operations = endpoint.operations.map(([method, operation]) => [
    method.toLowerCase(),
    operationObject(endpoint, method, operation),
  ])
  return {
    ...(parameters.length > 0 && { parameters }),
    ...Object.fromEntries(operations),
    'x-other-methods': otherMethods(endpoint),
  }
}

function operationObject(endpoint: Endpoint, method: string, operation: Operation): Json {
  const { id, summary, description, section, body } = operation
  const parameters = parametersOf(operation)
  return {
    operationId: id,
    tags: [endpoint.group],
    summary,
    ...(description && { description }),
    ...(section && { externalDocs: { description: section.title, url: section.url } }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { ...body, content: contentObject(body.content) } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(operation.answers).map(([status, answer]) => [
          status,
          answerObject(Number(status), answer, endpoint.commonHeaders),
        ]),
      ),
      ...errorObjects(errorsOf(endpoint, operation.errors), method === 'HEAD'),
    },
  }
}

function parametersOf({ query = {}, headers = [] }: Operation): Json[] {
  const ofQuery = Object.entries(query).map(([name, { description, schema, repeated, required }]) => ({
    name,
    in: 'query',
    ...(required && { required }),
    description,
    ...(repeated ? { schema: { type: 'array', items: schema } } : { schema }),
  }))
  return [...ofQuery, ...headers.map((name) => ({ name, in: 'header', ...REQUEST_HEADERS[name] }))]
}

function contentObject(content: Readonly<Record<string, unknown>>): Json {
  return Object.fromEntries(Object.entries(content).map(([mediaType, schema]) => [mediaType, { schema }]))
}

function answerObject(
  status: number,
  { description, headers = [], content, unmeasured }: AnswerDescription,
  common: readonly HeaderName[],
): Json {
  const hasLength = status !== 204 && status !== 304 && unmeasured !== 'always'
  const length: AnswerHeader =
    unmeasured === 'of-head' && content === undefined ? 'Content-Length?' : 'Content-Length'
  const names = [...(hasLength ? [length] : []), ...common, ...headers]
  return {
    description,
    ...(names.length > 0 && { headers: Object.fromEntries(names.map(headerReference)) }),
    ...(content && { content: contentObject(content) }),
  }
}

function headerReference(name: string): [name: string, reference: Json] {
  const plain = name.replace('?', '')
  return [plain, { $ref: `#/components/headers/${name === plain ? '' : OPTIONAL}${plain}` }]
}

/** Answers that tell of errors, one for each status. */
function errorObjects(errors: readonly ErrorId[], isHead: boolean): Json {
  return Object.fromEntries(
    errorsByStatus(errors).map(([status, ids]) => {
      const name = `${ids[0]}${isHead ? HEAD : ''}`
      const isPlain = ids.length === 1
      return [status, isPlain ? { $ref: `#/components/responses/${name}` } : errorObject(ids, isHead)]
    }),
  )
}

function errorObject(ids: readonly ErrorId[], isHead: boolean): Json {
  const own = ids.map((id) => ERROR_HEADERS[id] ?? [])
  const always = (name: HeaderName) => own.every((names) => names.includes(name))
  const headers = [...new Set(own.flat())].map((name): AnswerHeader => (always(name) ? name : `${name}?`))
  const codes = [...new Set(ids.map((id) => ERRORS[id].code))]
  const schema = {
    ...schemaNamed('Errors'),
    properties: {
      errors: {
        items: { properties: { code: { enum: codes }, detail: { properties: { reason: { enum: ids } } } } },
      },
    },
  }
  return answerObject(
    ERRORS.UNKNOWN.status,
    {
      description: ids.map((id) => `${ERRORS[id].code}: ${ERRORS[id].message}`).join('; '),
      headers,
      ...(!isHead && { content: { [MEDIA_TYPES.json]: schema } }),
    },
    COMMON_HEADERS,
  )
}

function otherMethods(endpoint: Endpoint): Json {
  if (endpoint.group === 'Probes') return {}
  const errors = errorObjects(errorsOf(endpoint, ['DENIED', 'METHOD_UNSUPPORTED']), false)
  const refusal = errorObject(['METHOD_UNSUPPORTED'], false)
  const allow = endpoint.operations.map(([method]) => method).join(', ')
  const header = { required: true, description: HEADERS.Allow.description, schema: { const: allow } }
  const headers = { ...(refusal.headers as Json), Allow: header }
  return { ...errors, [ERRORS.METHOD_UNSUPPORTED.status]: { ...refusal, headers } }
}

/** Paths of no endpoint, and those of extensions that there are not. */
function otherPaths(): Json {
  return errorObjects(
    ['ROUTE_UNKNOWN', 'EXTENSION_UNKNOWN', 'NAME_INVALID', 'DENIED', ...COMMON_ERRORS],
    false,
  )
}

/** The names of components of one kind that something refers to, in their order. */
function referencesIn(value: unknown, kind: string): string[] {
  const found = JSON.stringify(value).matchAll(new RegExp(`"#/components/${kind}/([^"]+)"`, 'g'))
  return [...new Set([...found].map((match) => match[1] ?? ''))].sort()
}

function responseComponent(name: string): [name: string, response: Json] {
  return [name, errorObject([name.replace(HEAD, '') as ErrorId], name.endsWith(HEAD))]
}

function headerComponent(name: string): [name: string, header: Json] {
  const plain = name.replace(OPTIONAL, '')
  return [name, { required: plain === name, ...HEADERS[plain as HeaderName] }]
}
