import { type Answer, emptyAnswer } from '../../api/answer.ts'
import type { Context } from '../../api/context.ts'
import type { RequestAt } from '../../api/endpoint.ts'
import { extensionEndpoint } from '../../api/extension.ts'
import { digestParameter } from '../../api/parameters.ts'
import { pageSection } from './documentation.ts'

const QUERY = {
  digest: { ...digestParameter('The manifest, which may already be deleted.'), required: true },
} as const

/** `DELETE /v2/<name>/_stowage/manifests/purge`. */
export const manifestPurgeEndpoint = extensionEndpoint({
  method: 'DELETE',
  route: 'repositoryExtension',
  component: 'manifests',
  module: 'purge',
  action: 'delete',
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
  handle: purgeManifest,
})

async function purgeManifest(
  { registry, caller: { actor } }: Context,
  { path: { name }, query: { digest } }: RequestAt<'repositoryExtension', typeof QUERY>,
): Promise<Answer> {
  await registry.manifests.purge(name, digest, actor)
  return emptyAnswer(202)
}
