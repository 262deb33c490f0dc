import type { ExtensionAnswer } from '../answer.ts'
import type { Endpoint, ExtensionRequest, RepositoryContext } from '../extension.ts'
import { digestParameter } from '../parameters.ts'
import { readQuery } from '../query.ts'
import { pageSection } from './documentation.ts'

const QUERY = {
  digest: { ...digestParameter('The manifest, which may already be deleted.'), required: true },
} as const

/** `DELETE /v2/<name>/_stowage/manifests/purge`. */
export const manifestPurgeEndpoint: Endpoint = {
  method: 'DELETE',
  scope: 'repository',
  component: 'manifests',
  module: 'purge',
  action: 'delete',
  operation: {
    id: 'purgeManifest',
    summary: 'Permanently delete a manifest, with the content that only it references in the repository',
    section: pageSection('Purge', 'purge'),
    query: QUERY,
    answers: {
      202: {
        description:
          'The manifest is no longer visible. Bytes that nothing else references are deleted about a minute later.',
      },
    },
    errors: ['NAME_UNKNOWN', 'MANIFEST_UNKNOWN', 'MANIFEST_NEEDED'],
  },
  handle: purgeManifest,
}

async function purgeManifest(
  { registry, repository }: RepositoryContext,
  { query }: ExtensionRequest,
): Promise<ExtensionAnswer> {
  const { digest } = readQuery(query, QUERY)
  await registry.manifests.purge(repository, digest)
  return { type: 'empty', status: 202 }
}
