import { type Answer, jsonAnswer } from '../api/answer.ts'
import type { Context, OfferedExtension } from '../api/context.ts'
import {
  type Extension,
  type ExtensionRequest,
  type ExtensionRouteId,
  endpointPath,
  extensionEndpoint,
} from '../api/extension.ts'
import { schemaNamed } from '../api/schema.ts'
import { RegistryError } from '../oci/error.ts'
import { MEDIA_TYPES } from '../oci/media-type.ts'
import { DRAFT_SCHEMAS, draftEndpoints } from './oci-drafts.ts'

const SPECIFICATION = 'https://github.com/opencontainers/distribution-spec/blob/main/extensions/_oci.md'

const discovery = {
  method: 'GET',
  component: 'ext',
  module: 'discover',
  action: 'pull',
  summary: 'List the extensions that this registry offers',
  section: { title: 'Module: discover, of the extension _oci', url: `${SPECIFICATION}#module-discover` },
  answers: {
    200: {
      description: 'The extensions that have endpoints at this level: the registry, or this repository.',
      content: { [MEDIA_TYPES.json]: schemaNamed('ExtensionList') },
    },
  },
  handle: discover,
} as const

/** The specification's own namespace. Only its discovery is final. @see OCI Distribution Specification, extensions/_oci.md */
export const ociExtension: Extension = {
  name: 'oci',
  description: 'Discovery of the extensions that this registry offers',
  url: SPECIFICATION,
  endpoints: [
    extensionEndpoint({ ...discovery, route: 'registryExtension', id: 'discoverExtensions', errors: [] }),
    extensionEndpoint({
      ...discovery,
      route: 'repositoryExtension',
      id: 'discoverRepositoryExtensions',
      errors: ['NAME_UNKNOWN'],
    }),
    ...draftEndpoints,
  ],
  schemas: DRAFT_SCHEMAS,
}

async function discover(
  { registry, extensions }: Context,
  { path: { name } }: ExtensionRequest,
): Promise<Answer> {
  if (name !== undefined && !(await registry.repositories.exists(name))) {
    throw new RegistryError('NAME_UNKNOWN', { details: [{ name }] })
  }
  const route = name === undefined ? 'registryExtension' : 'repositoryExtension'
  const offered = extensions.map((extension) => describe(extension, route))
  return jsonAnswer({ extensions: offered.filter(({ endpoints }) => endpoints.length > 0) })
}

function describe(extension: OfferedExtension, route: ExtensionRouteId) {
  const { name, url, description } = extension
  const here = extension.endpoints.filter((endpoint) => endpoint.route === route)
  const endpoints = [...new Set(here.map((endpoint) => endpointPath(extension, endpoint)))]
  return { name: `_${name}`, url, description, endpoints }
}
