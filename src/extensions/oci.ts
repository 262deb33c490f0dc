import type { Operation } from '../api/operation.ts'
import { schemaNamed } from '../api/schema.ts'
import { RegistryError } from '../oci/error.ts'
import { MEDIA_TYPES } from '../oci/media-type.ts'
import { type ExtensionAnswer, jsonAnswer } from './answer.ts'
import { type Endpoint, type Extension, type ExtensionContext, endpointPath } from './extension.ts'
import { DRAFT_SCHEMAS, draftEndpoints } from './oci-drafts.ts'

const SPECIFICATION = 'https://github.com/opencontainers/distribution-spec/blob/main/extensions/_oci.md'

const discovery: Operation = {
  id: 'discoverExtensions',
  summary: 'List the extensions that this registry offers',
  section: { title: 'Module: discover, of the extension _oci', url: `${SPECIFICATION}#module-discover` },
  answers: {
    200: {
      description: 'The extensions that have endpoints at this level: the registry, or this repository.',
      content: { [MEDIA_TYPES.json]: schemaNamed('ExtensionList') },
    },
  },
  errors: [],
}

/** The specification's own namespace, of which only discovery is settled. @see OCI Distribution Specification, extensions/_oci.md */
export const ociExtension: Extension = {
  name: 'oci',
  description: 'Discovery of the extensions that this registry offers',
  url: SPECIFICATION,
  endpoints: [
    {
      method: 'GET',
      scope: 'registry',
      component: 'ext',
      module: 'discover',
      action: 'pull',
      operation: discovery,
      handle: discover,
    },
    {
      method: 'GET',
      scope: 'repository',
      component: 'ext',
      module: 'discover',
      action: 'pull',
      operation: { ...discovery, id: 'discoverRepositoryExtensions', errors: ['NAME_UNKNOWN'] },
      handle: discover,
    },
    ...draftEndpoints,
  ],
  schemas: DRAFT_SCHEMAS,
}

async function discover({ registry, extensions, repository }: ExtensionContext): Promise<ExtensionAnswer> {
  if (repository !== undefined && !(await registry.repositories.exists(repository))) {
    throw new RegistryError('NAME_UNKNOWN', { details: [{ name: repository }] })
  }
  const scope = repository === undefined ? 'registry' : 'repository'
  const offered = extensions.map((extension) => describe(extension, scope))
  return jsonAnswer({ extensions: offered.filter(({ endpoints }) => endpoints.length > 0) })
}

function describe(extension: Extension, scope: Endpoint['scope']): { endpoints: string[] } {
  const { name, url, description } = extension
  const here = extension.endpoints.filter((endpoint) => endpoint.scope === scope)
  const endpoints = [...new Set(here.map((endpoint) => endpointPath(extension, endpoint)))]
  return { name: `_${name}`, url, description, endpoints } as { endpoints: string[] }
}
