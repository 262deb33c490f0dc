import { type Answer, jsonAnswer } from '../../api/answer.ts'
import type { Context } from '../../api/context.ts'
import type { RequestAt } from '../../api/endpoint.ts'
import { extensionEndpoint } from '../../api/extension.ts'
import { contentIn } from '../../api/operation.ts'
import { tagCondition } from '../../api/precondition.ts'
import { type JsonSchema, schemaNamed } from '../../api/schema.ts'
import { RegistryError } from '../../oci/error.ts'
import { bodySchema, readBody } from '../body.ts'
import { digestOrRevisionField, tagField } from '../body-fields.ts'
import { pageSection } from './documentation.ts'
import { ownMediaTypes } from './media-types.ts'

const MEDIA_TYPES = ownMediaTypes('rollback')

const BODY = {
  tag: { ...tagField('The tag. A tag that was removed is created again.'), required: true },
  to: {
    ...digestOrRevisionField(
      'The digest of a manifest in the repository, or a revision of the repository whose state of the tag to return to.',
    ),
    required: true,
  },
} as const

/** The forms of its requests and answers. */
export const TAG_ROLLBACK_SCHEMAS = {
  RollbackRequest: bodySchema('The tag to roll back, and the state to return to.', BODY),
  Rollback: {
    type: 'object',
    description: 'The result of a rollback.',
    required: ['name', 'tag', 'new', 'revision'],
    additionalProperties: false,
    properties: {
      name: schemaNamed('RepositoryName'),
      tag: schemaNamed('Tag'),
      old: {
        ...schemaNamed('Digest'),
        description:
          'The digest that the tag pointed to before, if it existed; the same as `new` if nothing has changed.',
      },
      new: { ...schemaNamed('Digest'), description: 'The digest that the tag now points to.' },
      revision: {
        type: 'integer',
        minimum: 1,
        description: 'The revision of the repository after the rollback.',
      },
    },
  },
} as const satisfies Record<string, JsonSchema>

/** `POST /v2/<name>/_stowage/tags/rollback`. */
export const tagRollbackEndpoint = extensionEndpoint({
  method: 'POST',
  route: 'repositoryExtension',
  component: 'tags',
  module: 'rollback',
  action: 'push',
  mediaTypes: MEDIA_TYPES,
  id: 'rollBackTag',
  summary: 'Roll a tag back to an earlier manifest',
  description:
    '`If-Match` and `If-None-Match` are compared with the manifest that the tag currently points to.',
  section: pageSection('Tag rollback', 'tag-rollback'),
  headers: ['If-Match', 'If-None-Match'],
  body: {
    description: 'The tag, and the state to return to.',
    required: true,
    content: contentIn(['application/json'], { $ref: '#/components/schemas/RollbackRequest' }),
  },
  answers: {
    200: {
      description: 'The tag now points to the manifest.',
      content: contentIn(MEDIA_TYPES, { $ref: '#/components/schemas/Rollback' }),
    },
  },
  errors: [
    ...(['NAME_UNKNOWN', 'MANIFEST_UNKNOWN', 'MANIFEST_DELETED'] as const),
    ...(['CONTENT_GONE', 'HISTORY_PRUNED', 'PRECONDITION_FAILED'] as const),
  ],
  handle: rollBackTag,
})

async function rollBackTag(
  { registry, caller: { actor } }: Context,
  request: RequestAt<'repositoryExtension'>,
): Promise<Answer> {
  const { name: repository } = request.path
  const { tag, to } = await readBody(request, BODY)
  const { revision } = await registry.repositories.state(repository)
  if (to.revision !== undefined && to.revision > revision) {
    const message = `the field "to" is ${to.revision}, a revision in the future; the newest one is ${revision}`
    throw new RegistryError('BODY_INVALID', { message, details: [{ field: 'to' }] })
  }
  const condition = tagCondition(request)
  const done = await registry.history
    .rollback(repository, tag, { ...to, condition, actor })
    .catch((error: unknown) => {
      throw withRemedy(error, repository)
    })
  const { old, new: digest, revision: newest } = done
  return jsonAnswer({ name: repository, tag, ...(old && { old }), new: digest, revision: newest })
}

function withRemedy(error: unknown, repository: string): unknown {
  if (!(error instanceof RegistryError) || error.id !== 'MANIFEST_DELETED') return error
  const [{ digest } = {}] = error.details as readonly { digest?: string }[]
  const remedy = `POST /v2/${repository}/_stowage/manifests/undelete {"digest":"${digest}"}`
  const message = `manifest ${digest} was deleted; restore it first with ${remedy}`
  return new RegistryError('MANIFEST_DELETED', { message, details: error.details, cause: error })
}
