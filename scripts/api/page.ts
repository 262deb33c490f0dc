import { COMMON_HEADERS, HEADERS, REQUEST_HEADERS } from '../../src/api/header.ts'
import {
  type AnswerDescription,
  COMMON_ERRORS,
  ERROR_HEADERS,
  errorsByStatus,
  type Operation,
} from '../../src/api/operation.ts'
import { PATH_PARAMETERS } from '../../src/api/path.ts'
import { type JsonSchema, SCHEMAS } from '../../src/api/schema.ts'
import { ERRORS, type ErrorId } from '../../src/oci/error.ts'
import { type Endpoint, errorsOf, extensionSchemas, GROUPS, listEndpoints } from './endpoints.ts'

const PREFACE = `# API

Made by \`npm run api\` from the endpoints in \`src/endpoints\` and \`src/extensions\`; do not edit. [openapi.json](openapi.json) says
the same to programs. Every answer that the tests get from the server is held against it.

Repository names hold slashes, which stand in a path as they are; paths are read from the right. Methods that an endpoint does not have
are answered 405 with \`Allow\`, paths of no endpoint 404, both with an error body. \`HEAD\` is answered as \`GET\` is, without the body.
Query parameters that are not named here are ignored.`

/** The page that a person reads: the same data as the OpenAPI document has. */
export function makePage(): string {
  const endpoints = listEndpoints()
  const groups = Object.entries(GROUPS).flatMap(([group, description]) => [
    `## ${group}`,
    description,
    ...endpoints.filter((endpoint) => endpoint.group === group).flatMap(endpointParts),
  ])
  return `${[PREFACE, ...commonParts(), ...groups, ...schemaParts()].join('\n\n')}\n`
}

function commonParts(): string[] {
  const headers = COMMON_HEADERS.map((name) => [`\`${name}\``, HEADERS[name].description])
  return [
    '## Every answer',
    'Beside `Content-Length`, which only 204 and 304 lack, each answer of the API has these headers:',
    table(['header', 'meaning'], headers),
    'Any request may be refused with these errors. An error body is `{"errors": [{"code", "message", "detail"}]}`. Several errors have the same `code`; `detail.reason` says which one it is, and `detail.requestId` is the id of the request, as in `X-Request-Id`.',
    errorTable(COMMON_ERRORS),
  ]
}

function endpointParts(endpoint: Endpoint): string[] {
  const { operations } = endpoint
  const hasGet = operations.some(([method]) => method === 'GET')
  return operations
    .filter(([method]) => method !== 'HEAD' || !hasGet)
    .flatMap(([method, operation]) => operationParts(endpoint, method, operation))
}

function operationParts(endpoint: Endpoint, method: string, operation: Operation): string[] {
  const hasHead = method === 'GET' && endpoint.operations.some(([other]) => other === 'HEAD')
  const { section, summary, description, body } = operation
  const parameters = parameterRows(endpoint, operation)
  const common: readonly ErrorId[] = COMMON_ERRORS
  const errors = errorsOf(endpoint, operation.errors).filter((error) => !common.includes(error))
  return [
    `### ${method} ${endpoint.path}`,
    `${summary}${hasHead ? '; also `HEAD`' : ''}. ${section ? `[${section.title}](${section.url})` : 'Of no specification.'}`,
    ...(description ? [description] : []),
    ...(parameters.length > 0 ? [table(['parameter', 'in', 'form', 'meaning'], parameters)] : []),
    ...(body ? [`Body${body.required ? '' : ', which may be absent'}: ${body.description}`] : []),
    table(['status', 'meaning', 'headers', 'body'], Object.entries(operation.answers).map(answerRow)),
    ...(errors.length > 0 ? [errorTable(errors)] : []),
  ]
}

function parameterRows({ parameters }: Endpoint, { query = {}, headers = [] }: Operation): string[][] {
  const inPath = parameters.map((name) => ({ name, where: 'path', ...PATH_PARAMETERS[name] }))
  const inQuery = Object.entries(query).map(([name, { repeated, required, ...parameter }]) => ({
    name,
    where: `query${repeated ? ', any number' : ''}${required ? ', required' : ''}`,
    ...parameter,
  }))
  const inHeaders = headers.map((name) => ({ name, where: 'header', ...REQUEST_HEADERS[name] }))
  return [...inPath, ...inQuery, ...inHeaders].map(({ name, where, schema, description }) => [
    `\`${name}\``,
    where,
    formOf(schema),
    description,
  ])
}

function answerRow([status, { description, headers = [], content = {} }]: [
  string,
  AnswerDescription,
]): string[] {
  const names = headers.map((name) =>
    name.endsWith('?') ? `\`${name.slice(0, -1)}\`, not always` : `\`${name}\``,
  )
  const bodies = Object.entries(content).map(([mediaType, schema]) =>
    `\`${mediaType}\` ${formOf(schema)}`.trim(),
  )
  return [status, description, names.join('<br>'), bodies.join('<br>')]
}

/** A schema in a word, with a link to where it stands whole. */
function formOf({ $ref, type }: JsonSchema): string {
  if (typeof $ref !== 'string') return typeof type === 'string' ? type : ''
  const name = $ref.split('/').at(-1) ?? ''
  return `[${name}](#${name.toLowerCase()})`
}

function errorTable(errors: readonly ErrorId[]): string {
  const rows = errorsByStatus(errors).flatMap(([status, ids]) =>
    ids.map((id) => {
      const headers = (ERROR_HEADERS[id] ?? []).map((name) => `\`${name}\``)
      return [String(status), `\`${ERRORS[id].code}\``, `\`${id}\``, ERRORS[id].message, headers.join(', ')]
    }),
  )
  return table(['status', 'code', 'reason', 'meaning', 'headers'], rows)
}

function schemaParts(): string[] {
  return [
    '## Forms',
    'As JSON Schema.',
    ...Object.entries({ ...SCHEMAS, ...extensionSchemas() }).flatMap(([name, schema]) => [
      `### ${name}`,
      `\`\`\`json\n${JSON.stringify(schema, null, 2)}\n\`\`\``,
    ]),
  ]
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), `|${head.map(() => '---|').join('')}`, ...rows.map(line)].join('\n')
}
