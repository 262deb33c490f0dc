import { type ExtensionEndpoint, endpointPath, TAG_MODULE } from '../../src/api/extension.ts'
import { COMMON_HEADERS, type HeaderName, PROBE_HEADERS } from '../../src/api/header.ts'
import { COMMON_ERRORS, headOf, type Operation } from '../../src/api/operation.ts'
import { PATH_PARAMETERS, type PathParameterName } from '../../src/api/path.ts'
import { PROBES } from '../../src/api/probes.ts'
import type { JsonSchema } from '../../src/api/schema.ts'
import { type DescribedEndpoint, wholeOperation } from '../../src/api/whole-operation.ts'
import { type CoreRouteId, ENDPOINTS } from '../../src/endpoints/endpoints.ts'
import type { ErrorId } from '../../src/oci/error.ts'
import { ROUTES } from '../../src/oci/route.ts'
import { EXTENSIONS } from '../../src/server/request-server.ts'

/** A path that the server answers, with all that it does there. */
export interface Endpoint {
  /** With its parameters in braces. */
  path: string
  group: Group
  parameters: readonly PathParameterName[]
  /** In the order in which `Allow` names their methods. */
  operations: readonly (readonly [method: string, operation: Operation])[]
  /** Headers of each answer. */
  commonHeaders: readonly HeaderName[]
}

/** What endpoints are about. */
export const GROUPS = {
  Registry: 'The registry as a whole.',
  Uploads: 'Pushing blobs, in one request or in many.',
  Blobs: 'Content by its digest, which is part of the repositories that it was pushed to.',
  Manifests: 'Manifests by tag and by digest.',
  Lists: 'What a repository has.',
  Extensions: 'What is offered beside the specification.',
  Probes: 'For supervisors and load balancers.',
} as const

type Group = keyof typeof GROUPS

const GROUP_OF: Readonly<Record<CoreRouteId, Group>> = {
  base: 'Registry',
  catalog: 'Registry',
  uploads: 'Uploads',
  upload: 'Uploads',
  blob: 'Blobs',
  manifest: 'Manifests',
  tags: 'Lists',
  referrers: 'Lists',
}

/** All endpoints that there are: those of the routes, those of extensions, and the probes. */
export function listEndpoints(): Endpoint[] {
  return [...routeEndpoints(), ...extensionEndpoints(), ...probeEndpoints()]
}

/** A route as OpenAPI writes paths. */
export function templateOf(route: string): string {
  return route.replace(/:([a-z]+)/g, '{$1}')
}

/** Every error that an operation may send, those of its path and of all operations included. */
export function errorsOf({ parameters }: Endpoint, errors: readonly ErrorId[]): ErrorId[] {
  const ofPath = parameters.flatMap((name): readonly ErrorId[] => PATH_PARAMETERS[name].errors)
  return [...new Set([...ofPath, ...errors, ...COMMON_ERRORS])]
}

/** The forms that extensions have beside those of the specification, by name. */
export function extensionSchemas(): Readonly<Record<string, JsonSchema>> {
  return Object.assign({}, ...EXTENSIONS.map(({ schemas }) => schemas))
}

/** The path of an extension's endpoint as OpenAPI writes paths. */
export function extensionPath(extension: { name: string }, endpoint: ExtensionEndpoint): string {
  const level = endpoint.route === 'registryExtension' ? '/v2/' : '/v2/{name}/'
  return level + endpointPath(extension, endpoint).replace(TAG_MODULE, '{tag}')
}

function routeEndpoints(): Endpoint[] {
  return (Object.keys(ENDPOINTS) as CoreRouteId[]).map((id) =>
    endpointAt(templateOf(ROUTES[id]), GROUP_OF[id], ENDPOINTS[id].flatMap(operationsOf)),
  )
}

function extensionEndpoints(): Endpoint[] {
  const all = EXTENSIONS.flatMap((extension) =>
    extension.endpoints.map((endpoint) => ({ path: extensionPath(extension, endpoint), endpoint })),
  )
  return [...Map.groupBy(all, ({ path }) => path)].map(([path, here]) =>
    endpointAt(
      path,
      'Extensions',
      here.flatMap(({ endpoint }) => operationsOf(endpoint)),
    ),
  )
}

function operationsOf(endpoint: DescribedEndpoint): [method: string, operation: Operation][] {
  const operation = wholeOperation(endpoint)
  if (endpoint.method !== 'GET') return [[endpoint.method, operation]]
  return [
    ['GET', operation],
    ['HEAD', headOf(operation)],
  ]
}

function probeEndpoints(): Endpoint[] {
  return Object.entries(PROBES).map(([path, operations]) => ({
    ...endpointAt(path, 'Probes', Object.entries(operations)),
    commonHeaders: PROBE_HEADERS,
  }))
}

function endpointAt(path: string, group: Group, operations: Endpoint['operations']): Endpoint {
  const names = [...path.matchAll(/\{([a-z]+)\}/g)].map((match) => match[1] ?? '')
  const parameters = names.filter((name): name is PathParameterName => name in PATH_PARAMETERS)
  return { path, group, parameters, operations, commonHeaders: COMMON_HEADERS }
}
