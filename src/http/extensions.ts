import { type Endpoint, type Extension, findEndpoints } from '../extensions/extension.ts'
import { RegistryError } from '../oci/error.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Registry } from '../registry/registry.ts'
import type { HttpRequest, HttpResponse } from './message.ts'
import { jsonResponse } from './respond.ts'

/** The parameters of an extension's path. */
export interface ExtensionParams {
  name?: RepositoryName
  extension: string
  component: string
  module: string
}

/** An extension's answer to one method. */
export type ExtensionMethod = (
  registry: Registry,
  request: HttpRequest,
  params: ExtensionParams,
) => Promise<HttpResponse>

/** The methods of an extension's endpoint. @throws RegistryError EXTENSION_UNKNOWN if there is none at this path and level */
export function extensionMethods(
  extensions: readonly Extension[],
  params: ExtensionParams,
): Readonly<Record<string, ExtensionMethod>> {
  const scope = params.name === undefined ? 'registry' : 'repository'
  const path = `_${params.extension}/${params.component}/${params.module}`
  const endpoints = findEndpoints(extensions, scope, path)
  if (endpoints.length === 0) throw new RegistryError('EXTENSION_UNKNOWN')
  return Object.fromEntries(
    endpoints.flatMap((endpoint) => {
      const method = answerOf(endpoint, extensions)
      return endpoint.method === 'GET'
        ? [
            ['GET', method],
            ['HEAD', method],
          ]
        : [[endpoint.method, method]]
    }),
  )
}

function answerOf(endpoint: Endpoint, extensions: readonly Extension[]): ExtensionMethod {
  return async (registry, request, { name }) => {
    const answer = await endpoint.handle({ registry, extensions, ...(name && { repository: name }) }, request)
    return jsonResponse(answer.status ?? 200, answer.json, answer.headers, answer.mediaType)
  }
}
