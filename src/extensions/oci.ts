import { RegistryError } from '../oci/error.ts'
import {
  type Endpoint,
  type Extension,
  type ExtensionAnswer,
  type ExtensionContext,
  endpointPath,
} from './extension.ts'

/** The specification's own namespace, of which discovery is settled. @see OCI Distribution Specification, extensions/_oci.md */
export const ociExtension: Extension = {
  name: 'oci',
  description: 'Discovery of the extensions that this registry offers',
  url: 'https://github.com/opencontainers/distribution-spec/blob/main/extensions/_oci.md',
  endpoints: [
    {
      method: 'GET',
      scope: 'registry',
      component: 'ext',
      module: 'discover',
      action: 'pull',
      handle: discover,
    },
    {
      method: 'GET',
      scope: 'repository',
      component: 'ext',
      module: 'discover',
      action: 'pull',
      handle: discover,
    },
  ],
}

async function discover({ registry, extensions, repository }: ExtensionContext): Promise<ExtensionAnswer> {
  if (repository !== undefined && !(await registry.repositories.exists(repository))) {
    throw new RegistryError('NAME_UNKNOWN', { details: [{ name: repository }] })
  }
  const scope = repository === undefined ? 'registry' : 'repository'
  const offered = extensions.map((extension) => describe(extension, scope))
  return { json: { extensions: offered.filter(({ endpoints }) => endpoints.length > 0) } }
}

function describe(extension: Extension, scope: Endpoint['scope']): { endpoints: string[] } {
  const { name, url, description } = extension
  const here = extension.endpoints.filter((endpoint) => endpoint.scope === scope)
  const endpoints = [...new Set(here.map((endpoint) => endpointPath(extension, endpoint)))]
  return { name: `_${name}`, url, description, endpoints } as { endpoints: string[] }
}
