/**
 * The endpoints as data. `:name` matches one or more segments, and any other parameter matches one. A parameter after an underscore matches
 * the rest of its segment.
 *
 * @see OCI Distribution Specification, "Endpoints" and extensions/README.md
 */
export const ROUTES = {
  base: '/v2/',
  catalog: '/v2/_catalog',
  // These come before all others: a module may have the name of another endpoint, and no component of a repository name begins with an
  // underscore.
  registryExtension: '/v2/_:extension/:component/:module',
  repositoryExtension: '/v2/:name/_:extension/:component/:module',
  uploads: '/v2/:name/blobs/uploads/',
  upload: '/v2/:name/blobs/uploads/:upload',
  blob: '/v2/:name/blobs/:digest',
  manifest: '/v2/:name/manifests/:reference',
  tags: '/v2/:name/tags/list',
  referrers: '/v2/:name/referrers/:digest',
} as const

/** The name of an endpoint. */
export type RouteId = keyof typeof ROUTES

type Names<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Name | Names<`/${Rest}`>
  : Path extends `${string}:${infer Name}`
    ? Name
    : never

/** The parameters of an endpoint's path. */
export type RouteParams<Id extends RouteId> = { [Name in Names<(typeof ROUTES)[Id]>]: string }

/** An endpoint with the parameters from a path. */
export type Route = { [Id in RouteId]: { id: Id; params: RouteParams<Id> } }[RouteId]

interface Template {
  id: RouteId
  before: readonly SegmentPattern[]
  hasName: boolean
  after: readonly SegmentPattern[]
}

/** A segment that is fixed, or a fixed prefix and a parameter. */
interface SegmentPattern {
  prefix: string
  parameter: string | undefined
}

const TEMPLATES = (Object.keys(ROUTES) as RouteId[]).map(compile)

function compile(id: RouteId): Template {
  const segments = splitPath(ROUTES[id])
  const at = segments.indexOf(':name')
  if (at === -1) return { id, before: segments.map(compileSegment), hasName: false, after: [] }
  const before = segments.slice(0, at).map(compileSegment)
  return { id, before, hasName: true, after: segments.slice(at + 1).map(compileSegment) }
}

function compileSegment(segment: string): SegmentPattern {
  const [prefix = '', parameter] = segment.split(':')
  return { prefix, parameter }
}

function splitPath(path: string): string[] {
  const segments = path.slice(1).split('/')
  if (segments.at(-1) === '' && segments.length > 1) segments.pop()
  return segments
}

/** The segments of a path. */
interface Segments {
  /** As they were sent. */
  raw: readonly string[]
  /** Percent-decoded once. Segments with an encoded slash stay as they were sent, so that none of them ever matches a fixed segment of a route. */
  decoded: readonly string[]
}

/**
 * Finds the endpoint of a path, reading it from the right, since repository names contain slashes. Each segment is percent-decoded once;
 * parameters are not checked further, so that each can be refused with its own error.
 *
 * Only literal slashes determine the endpoint. An encoded slash (`%2F`) counts as a slash only inside a repository name, since some clients
 * encode the whole name. It is decoded in the name once the endpoint is known.
 *
 * @param path as the request has it, without the query
 * @returns undefined if no endpoint has this form
 */
export function parseRoute(path: string): Route | undefined {
  const segments = readSegments(path)
  if (segments === undefined) return undefined
  for (const template of TEMPLATES) {
    const params = match(template, segments)
    if (params !== undefined) return { id: template.id, params } as Route
  }
  return undefined
}

function readSegments(path: string): Segments | undefined {
  if (!path.startsWith('/')) return undefined
  const raw = splitPath(path)
  if (!path.includes('%')) return { raw, decoded: raw }
  try {
    return { raw, decoded: raw.map(decodeSegment) }
  } catch {
    return undefined
  }
}

function decodeSegment(segment: string): string {
  const decoded = decodeURIComponent(segment)
  return decoded.includes('/') ? segment : decoded
}

/** Every request is matched with several templates, so nothing is allocated before one of them matches. */
function match(template: Template, { raw, decoded }: Segments): Record<string, string> | undefined {
  const { before, hasName, after } = template
  const nameEnd = decoded.length - after.length
  if (hasName ? nameEnd <= before.length : nameEnd !== before.length) return undefined
  if (!isMatch(before, decoded, 0) || !isMatch(after, decoded, nameEnd)) return undefined
  const params: Record<string, string> = {}
  readParameters(before, decoded, 0, params)
  readParameters(after, decoded, nameEnd, params)
  if (hasName) {
    const name = raw.slice(before.length, nameEnd).join('/')
    params.name = raw === decoded ? name : decodeURIComponent(name)
  }
  return params
}

function isMatch(patterns: readonly SegmentPattern[], segments: readonly string[], from: number): boolean {
  let at = from
  for (const { prefix, parameter } of patterns) {
    const segment = segments[at++] ?? ''
    if (parameter === undefined ? segment !== prefix : !isLonger(segment, prefix)) return false
  }
  return true
}

function isLonger(segment: string, prefix: string): boolean {
  return segment.length > prefix.length && segment.startsWith(prefix)
}

function readParameters(
  patterns: readonly SegmentPattern[],
  segments: readonly string[],
  from: number,
  params: Record<string, string>,
): void {
  let at = from
  for (const { prefix, parameter } of patterns) {
    const segment = segments[at++] ?? ''
    if (parameter !== undefined) params[parameter] = segment.slice(prefix.length)
  }
}

/** Writes the path of an endpoint: the inverse of {@link parseRoute} for parameters that passed their parsers. */
export function formatRoute<Id extends RouteId>(id: Id, params: RouteParams<Id>): string {
  return fill(PIECES[id], params)
}

/** Writes the path that a route was read from, with its slashes decoded. */
export function formatPath({ id, params }: Route): string {
  return fill(PIECES[id], params)
}

/** The endpoints' paths, divided at their parameters: fixed text and names of parameters by turns. */
const PIECES = Object.fromEntries(
  Object.entries(ROUTES).map(([id, template]) => [id, template.split(/:([a-z]+)/)]),
) as unknown as Record<RouteId, readonly string[]>

function fill(pieces: readonly string[], values: Readonly<Record<string, string>>): string {
  let path = ''
  for (let index = 0; index < pieces.length; index++) {
    const piece = pieces[index] ?? ''
    path += index % 2 === 0 ? piece : (values[piece] ?? '')
  }
  return path
}
