import type { Extension } from '../extension.ts'
import { MANIFEST_LIST_SCHEMAS } from './listed-manifest.ts'
import { manifestListEndpoint } from './manifest-list.ts'
import { REPOSITORY_LIST_SCHEMAS, repositoryListEndpoints } from './repository-list.ts'

/** Our own namespace: whatever is in a registry can be found. Each component has a page in `docs/extensions`. */
export const stowageExtension: Extension = {
  name: 'stowage',
  description: 'Lists of manifests and repositories',
  // A reserved name, until there is a place where the pages are published.
  url: 'https://stowage.example/docs/extensions',
  endpoints: [manifestListEndpoint, ...repositoryListEndpoints],
  schemas: { ...MANIFEST_LIST_SCHEMAS, ...REPOSITORY_LIST_SCHEMAS },
}
