import { readFileSync } from 'node:fs'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { TAG_MODULE } from '../../src/api/extension.ts'
import { createRouter } from '../../src/http/router.ts'
import { parseRoute, ROUTES, type Route } from '../../src/oci/route.ts'
import { formatTime, parseTime } from '../../src/oci/time.ts'
import { EXTENSIONS } from '../../src/server/request-server.ts'

/** An answer as it went out. */
export interface SentAnswer {
  method: string
  /** As the request line has it. */
  target: string
  /** The header of the request. */
  accept?: string | undefined
  status: number
  /** By lower-case name. */
  headers: Readonly<Record<string, string>>
  /** Undefined if it wasn't sent whole; of a stream of events, which the client ends, what was. */
  body: Uint8Array | undefined
}

interface Reference {
  $ref?: string
}

interface Header extends Reference {
  required?: boolean
  schema?: object
}

interface Answer extends Reference {
  headers?: Record<string, Header>
  content?: Record<string, { schema: object }>
}

type Answers = Record<string, Answer>

interface Operation {
  responses: Answers
}

/** A path: its operations by method in lower case, and what other methods are answered. */
type PathItem = Record<string, Operation> & { 'x-other-methods': Answers }

interface Description {
  paths: Record<string, PathItem>
  'x-other-paths': Answers
  components: { headers: Record<string, Header>; responses: Answers }
}

/** What HTTP itself needs, and no operation does. */
const TRANSPORT_HEADERS = ['connection', 'date', 'keep-alive']

const FILE = new URL('../../docs/api/openapi.json', import.meta.url)

const ROUTER = createRouter(EXTENSIONS)

/** The components whose module is any tag. */
const TAG_COMPONENTS = new Set(
  EXTENSIONS.flatMap(({ name, endpoints }) =>
    endpoints.filter(({ module }) => module === TAG_MODULE).map(({ component }) => `${name}/${component}`),
  ),
)

const description: Description = JSON.parse(readFileSync(FILE, 'utf8'))

// Strict but for types, which stand beside a `$ref` only there.
const validators = new Ajv2020({ strictTypes: false, coerceTypes: true, allErrors: true })
validators.addKeyword('components')
validators.addFormat('date-time', (text) => formatTime(parseTime(text)) === text)

const compiled = new WeakMap<object, ValidateFunction>()

/** What is wrong with a value by a schema of the description; undefined if nothing is. */
export function misfitOf(schema: object, value: unknown): string | undefined {
  const { components } = description
  const validate = compiled.get(schema) ?? validators.compile({ components, allOf: [schema] })
  compiled.set(schema, validate)
  return validate(value) ? undefined : validators.errorsText(validate.errors)
}

/** How an answer differs from what `docs/api/openapi.json` says of it; empty if it doesn't. */
export function misfitsOf(sent: SentAnswer): string[] {
  const answers = answersTo(sent)
  const answer = answers[sent.status]
  const found =
    answer === undefined
      ? [`is none of ${Object.keys(answers)}`]
      : [...headerMisfits(resolve(answer, 'responses'), sent), ...bodyMisfits(bodyAnswer(sent, answer), sent)]
  return found.map((what) => `${sent.method} ${sent.target.slice(0, 200)} ${sent.status}: ${what}`)
}

/** What the description says that a request may be answered. */
function answersTo({ method, target, accept }: SentAnswer): Answers {
  const item = description.paths[templateOf(pathOf(target), { method, accept })]
  if (item === undefined) return description['x-other-paths']
  return item[method.toLowerCase()]?.responses ?? item['x-other-methods']
}

function pathOf(target: string): string {
  return target.replace(/^https?:\/\/[^/?]*/i, '').split('?', 1)[0] ?? ''
}

function templateOf(path: string, request: { method: string; accept: string | undefined }): string {
  const parsed = parseRoute(path)
  if (parsed === undefined) return path
  const route = ROUTER.resolveAlias(parsed, {
    method: request.method,
    header: (name) => (name === 'accept' ? request.accept : undefined),
  })
  const isExtension = 'extension' in route.params
  return ROUTES[route.id].replace(/:([a-z]+)/g, (_, name: string) => {
    const value = (route.params as Record<string, string>)[name] ?? ''
    if (name === 'module') return moduleOf(route)
    return isExtension && name !== 'name' ? value : `{${name}}`
  })
}

/** The module that a path names, or stands for. */
function moduleOf({ params }: Route): string {
  if (!('module' in params)) return ''
  const isTag = TAG_COMPONENTS.has(`${params.extension}/${params.component}`)
  return isTag ? '{tag}' : params.module
}

function resolve<T extends Reference>(found: T, kind: 'headers' | 'responses'): T {
  const name = found.$ref?.split('/').at(-1)
  return name === undefined ? found : ((description.components[kind] as Record<string, T>)[name] as T)
}

function headerMisfits({ headers = {} }: Answer, sent: SentAnswer): string[] {
  const declared = new Map(
    Object.entries(headers).map(([name, header]) => [name.toLowerCase(), resolve(header, 'headers')]),
  )
  const allowed = [...TRANSPORT_HEADERS, ...declared.keys(), 'content-type']
  const undeclared = Object.keys(sent.headers).filter((name) => !allowed.includes(name))
  const wrong = [...declared].flatMap(([name, { required, schema = {} }]) => {
    const value = sent.headers[name]
    if (value === undefined) return required ? [`lacks the header ${name}`] : []
    const misfit = misfitOf(schema, value)
    return misfit === undefined ? [] : [`has ${name}: ${value}, ${misfit}`]
  })
  return [...undeclared.map((name) => `has the header ${name}`), ...wrong]
}

/** The answer whose body a HEAD has the type of: that of GET. */
function bodyAnswer(sent: SentAnswer, answer: Answer): Answer {
  if (sent.method !== 'HEAD') return resolve(answer, 'responses')
  const get = answersTo({ ...sent, method: 'GET' })[sent.status]
  return resolve(get ?? answer, 'responses')
}

function bodyMisfits({ content = {} }: Answer, { method, headers, body }: SentAnswer): string[] {
  const sentType = headers['content-type']
  const isEmpty = Number(headers['content-length'] ?? 0) === 0
  if (Object.keys(content).length === 0) {
    return sentType === undefined && isEmpty ? [] : [`has a body of ${sentType}`]
  }
  if (sentType === undefined) return ['lacks a Content-Type']
  const type = sentType.split(';', 1)[0] ?? ''
  const declared = content[type] ?? content['*/*']
  if (declared === undefined) return [`has the type ${sentType}`]
  if (method === 'HEAD') return body?.length ? ['has a body'] : []
  if (type === 'text/event-stream' && body !== undefined) return eventMisfits(declared.schema, body)
  const isJson = content[type] !== undefined && /[/+]json$/.test(type)
  return isJson && body !== undefined ? jsonMisfits(declared.schema, body) : []
}

/** What is wrong with the events of a stream, of which the last may have been cut, by the schema of their data. */
export function eventMisfits(schema: object, body: Uint8Array): string[] {
  const events = Buffer.from(body).toString().split('\n\n').slice(0, -1)
  return events
    .filter((event) => !event.startsWith(':'))
    .flatMap((event) => {
      const [, data] = /^(?:id: .+\n)?event: .+\ndata: (.+)$/.exec(event) ?? []
      return data === undefined ? [`has the event ${event}`] : jsonMisfits(schema, Buffer.from(data))
    })
}

function jsonMisfits(schema: object, body: Uint8Array): string[] {
  const text = Buffer.from(body).toString()
  try {
    const misfit = misfitOf(schema, JSON.parse(text))
    return misfit === undefined ? [] : [`has the body ${text.slice(0, 500)}, ${misfit}`]
  } catch {
    return [`has a body that is not JSON: ${text.slice(0, 500)}`]
  }
}
