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
  before: readonly string[]
  hasName: boolean
  after: readonly string[]
}

const TEMPLATES = (Object.keys(ROUTES) as RouteId[]).map(compile)

function compile(id: RouteId): Template {
  const segments = splitPath(ROUTES[id])
  const at = segments.indexOf(':name')
  if (at === -1) return { id, before: segments, hasName: false, after: [] }
  return { id, before: segments.slice(0, at), hasName: true, after: segments.slice(at + 1) }
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

function match(template: Template, { raw, decoded }: Segments): Record<string, string> | undefined {
  const { before, hasName, after } = template
  const nameLength = raw.length - before.length - after.length
  if (hasName ? nameLength < 1 : nameLength !== 0) return undefined
  const params: Record<string, string> = {}
  const nameEnd = before.length + nameLength
  if (!matchSegments(before, decoded.slice(0, before.length), params)) return undefined
  if (!matchSegments(after, decoded.slice(nameEnd), params)) return undefined
  if (hasName) params.name = decodeURIComponent(raw.slice(before.length, nameEnd).join('/'))
  return params
}

function matchSegments(
  patterns: readonly string[],
  segments: readonly string[],
  params: Record<string, string>,
): boolean {
  return patterns.every((pattern, index) => {
    const segment = segments[index] ?? ''
    const colon = pattern.indexOf(':')
    if (colon === -1) return segment === pattern
    const prefix = pattern.slice(0, colon)
    if (!segment.startsWith(prefix) || segment.length === prefix.length) return false
    params[pattern.slice(colon + 1)] = segment.slice(prefix.length)
    return true
  })
}

/** Writes the path of an endpoint: the inverse of {@link parseRoute} for parameters that passed their parsers. */
export function formatRoute<Id extends RouteId>(id: Id, params: RouteParams<Id>): string {
  return fill(ROUTES[id], params)
}

/** Writes the path that a route was read from, with its slashes decoded. */
export function formatPath({ id, params }: Route): string {
  return fill(ROUTES[id], params)
}

function fill(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/:([a-z]+)/g, (_, name: string) => values[name] ?? '')
}
