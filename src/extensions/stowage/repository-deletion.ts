import { type Answer, jsonAnswer } from '../../api/answer.ts'
import type { Context } from '../../api/context.ts'
import type { RequestAt } from '../../api/endpoint.ts'
import { type ExtensionEndpoint, extensionEndpoint } from '../../api/extension.ts'
import { contentIn } from '../../api/operation.ts'
import { type JsonSchema, schemaNamed } from '../../api/schema.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import { formatTime } from '../../oci/time.ts'
import type { RepositoryDeletion } from '../../registry/registry.ts'
import { pageSection } from './documentation.ts'
import { ownMediaTypes } from './media-types.ts'

const MEDIA_TYPES = ownMediaTypes('deletion')
const CONTENT = contentIn(MEDIA_TYPES, { $ref: '#/components/schemas/RepositoryDeletion' })
const SECTION = pageSection('Repository deletion', 'repository-deletion')

const TIME: JsonSchema = { type: 'string', format: 'date-time' }
const COUNT: JsonSchema = { type: 'integer', minimum: 0 }

/** The forms of its answers. */
export const REPOSITORY_DELETION_SCHEMAS = {
  RepositoryDeletion: {
    type: 'object',
    description: 'The progress of the most recent deletion of a repository with this name.',
    required: ['name', 'state', 'deletedAt', 'removed'],
    additionalProperties: false,
    properties: {
      name: schemaNamed('RepositoryName'),
      state: {
        enum: ['deleting', 'deleted'],
        description:
          'The repository is invisible in both states. While it is `deleting`, pushes to the name are refused.',
      },
      deletedAt: TIME,
      finishedAt: {
        ...TIME,
        description:
          'When the deletion finished and the name became available; absent while it is `deleting`.',
      },
      total: {
        ...COUNT,
        description:
          'The number of tags, manifests and blobs when they were last counted; absent if they never were.',
      },
      removed: { ...COUNT, description: 'How many of them have been removed.' },
    },
  },
} as const satisfies Record<string, JsonSchema>

/** `DELETE /v2/<name>/_stowage/repository/self`, and `GET /v2/<name>/_stowage/repository/deletion`. */
export const repositoryDeletionEndpoints: readonly ExtensionEndpoint[] = [
  extensionEndpoint({
    method: 'DELETE',
    route: 'repositoryExtension',
    component: 'repository',
    module: 'self',
    action: 'delete',
    mediaTypes: MEDIA_TYPES,
    id: 'deleteRepository',
    summary: 'Delete a repository and everything in it',
    section: SECTION,
    answers: {
      202: {
        description:
          'The repository is no longer visible. Its content is removed in the background; `Location` reports the progress.',
        headers: ['Location'],
        content: CONTENT,
      },
    },
    errors: ['NAME_UNKNOWN'],
    handle: deleteRepository,
  }),
  extensionEndpoint({
    method: 'GET',
    route: 'repositoryExtension',
    component: 'repository',
    module: 'deletion',
    action: 'delete',
    mediaTypes: MEDIA_TYPES,
    id: 'repositoryDeletion',
    summary: 'Get the progress of a repository deletion',
    section: SECTION,
    answers: { 200: { description: 'The progress of the deletion.', content: CONTENT } },
    errors: ['NAME_UNKNOWN'],
    handle: readDeletion,
  }),
]

async function deleteRepository(
  { registry, caller: { actor } }: Context,
  { path: { name } }: RequestAt<'repositoryExtension'>,
): Promise<Answer> {
  const deletion = await registry.repositories.delete(name, actor)
  const headers = { Location: `/v2/${name}/_stowage/repository/deletion` }
  return jsonAnswer(statusOf(name, deletion), { status: 202, headers })
}

async function readDeletion(
  { registry }: Context,
  { path: { name } }: RequestAt<'repositoryExtension'>,
): Promise<Answer> {
  return jsonAnswer(statusOf(name, await registry.repositories.deletion(name)))
}

function statusOf(name: RepositoryName, { deleted, finished, total, removed }: RepositoryDeletion): object {
  return {
    name,
    state: finished === undefined ? 'deleting' : 'deleted',
    deletedAt: formatTime(deleted),
    ...(finished !== undefined && { finishedAt: formatTime(finished) }),
    ...(total !== undefined && { total }),
    removed,
  }
}
