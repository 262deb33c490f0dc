import { OPERATIONS, PATH_PARAMETERS } from '../../src/api/api.ts'
import { COMMON_HEADERS, type HeaderName } from '../../src/api/header.ts'
import { COMMON_ERRORS, headOf, type Operation } from '../../src/api/operation.ts'
import { PROBES } from '../../src/api/probes.ts'
import type { JsonSchema } from '../../src/api/schema.ts'
import { endpointPath, TAG_MODULE } from '../../src/extensions/extension.ts'
import { wholeOperation } from '../../src/extensions/operation.ts'
import type { ErrorId } from '../../src/oci/error.ts'
import { ROUTES } from '../../src/oci/route.ts'
import { EXTENSIONS } from '../../src/serving.ts'

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

/** The name of a parameter of a path. */
export type PathParameterName = keyof typeof PATH_PARAMETERS

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

const GROUP_OF: Readonly<Record<keyof typeof OPERATIONS, Group>> = {
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

function routeEndpoints(): Endpoint[] {
  return (Object.keys(OPERATIONS) as (keyof typeof OPERATIONS)[]).map((id) =>
    endpointAt(templateOf(ROUTES[id]), GROUP_OF[id], Object.entries(OPERATIONS[id])),
  )
}

function extensionEndpoints(): Endpoint[] {
  const byPath = new Map<string, [string, Operation][]>()
  for (const extension of EXTENSIONS) {
    for (const endpoint of extension.endpoints) {
      const level = endpoint.scope === 'registry' ? '/v2/' : '/v2/{name}/'
      const path = level + endpointPath(extension, endpoint).replace(TAG_MODULE, '{tag}')
      const { method } = endpoint
      const operation = wholeOperation(endpoint)
      const operations = byPath.get(path) ?? []
      operations.push([method, operation])
      if (method === 'GET') operations.push(['HEAD', headOf(operation)])
      byPath.set(path, operations)
    }
  }
  return [...byPath].map(([path, operations]) => endpointAt(path, 'Extensions', operations))
}

function probeEndpoints(): Endpoint[] {
  return Object.entries(PROBES).map(([path, operations]) => ({
    ...endpointAt(path, 'Probes', Object.entries(operations)),
    commonHeaders: [],
  }))
}

function endpointAt(path: string, group: Group, operations: Endpoint['operations']): Endpoint {
  const names = [...path.matchAll(/\{([a-z]+)\}/g)].map((match) => match[1] ?? '')
  const parameters = names.filter((name): name is PathParameterName => name in PATH_PARAMETERS)
  return { path, group, parameters, operations, commonHeaders: COMMON_HEADERS }
}
