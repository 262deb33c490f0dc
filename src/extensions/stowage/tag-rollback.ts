import { RegistryError } from '../../oci/error.ts'
import { type JsonSchema, schemaNamed } from '../../oci/schema.ts'
import { type ExtensionAnswer, jsonAnswer } from '../answer.ts'
import { bodySchema, readBody } from '../body.ts'
import { digestOrRevisionField, tagField } from '../body-fields.ts'
import type { Endpoint, ExtensionRequest, RepositoryContext } from '../extension.ts'
import { contentIn } from '../operation.ts'
import { pageSection } from './documentation.ts'
import { ownMediaTypes } from './media-types.ts'

const MEDIA_TYPES = ownMediaTypes('rollback')

const BODY = {
  tag: { ...tagField('The tag; one that was removed is there again.'), required: true },
  to: {
    ...digestOrRevisionField(
      'A manifest of the repository, by its digest, or what the tag was at a revision of the repository.',
    ),
    required: true,
  },
} as const

/** The forms of what it takes and answers. */
export const TAG_ROLLBACK_SCHEMAS = {
  RollbackRequest: bodySchema('Which tag to roll back, and to what.', BODY),
  Rollback: {
    type: 'object',
    description: 'What became of a tag.',
    required: ['name', 'tag', 'new', 'revision'],
    additionalProperties: false,
    properties: {
      name: schemaNamed('RepositoryName'),
      tag: schemaNamed('Tag'),
      old: {
        ...schemaNamed('Digest'),
        description: 'What it was before, if it was there; `new` if nothing has changed.',
      },
      new: { ...schemaNamed('Digest'), description: 'What it is now.' },
      revision: { type: 'integer', minimum: 1, description: 'Of the repository, once that was done.' },
    },
  },
} as const satisfies Record<string, JsonSchema>

/** `POST /v2/<name>/_stowage/tags/rollback`. */
export const tagRollbackEndpoint: Endpoint = {
  method: 'POST',
  scope: 'repository',
  component: 'tags',
  module: 'rollback',
  action: 'push',
  mediaTypes: MEDIA_TYPES,
  operation: {
    id: 'rollBackTag',
    summary: 'Set a tag to what it was',
    description: '`If-Match` and `If-None-Match` are held against what the tag points to now.',
    section: pageSection('Tag rollback', 'tag-rollback'),
    headers: ['If-Match', 'If-None-Match'],
    body: {
      description: 'Which tag, and to what.',
      required: true,
      content: contentIn(['application/json'], { $ref: '#/components/schemas/RollbackRequest' }),
    },
    answers: {
      200: {
        description: 'The tag points to the manifest.',
        content: contentIn(MEDIA_TYPES, { $ref: '#/components/schemas/Rollback' }),
      },
    },
    errors: [
      ...(['NAME_UNKNOWN', 'MANIFEST_UNKNOWN', 'MANIFEST_DELETED'] as const),
      ...(['CONTENT_GONE', 'HISTORY_PRUNED', 'PRECONDITION_FAILED'] as const),
    ],
  },
  handle: rollBackTag,
}

async function rollBackTag(
  { registry, repository }: RepositoryContext,
  request: ExtensionRequest,
): Promise<ExtensionAnswer> {
  const { tag, to } = await readBody(request, BODY)
  const { revision } = await registry.repositories.state(repository)
  if (to.revision !== undefined && to.revision > revision) {
    const message = `the field "to" is ${to.revision}, a revision to come; the last one is ${revision}`
    throw new RegistryError('BODY_INVALID', { message, details: [{ field: 'to' }] })
  }
  const condition = request.tagCondition
  const done = await registry.history
    .rollback(repository, tag, { ...to, condition })
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
  const message = `manifest ${digest} was deleted; bring it back first, by ${remedy}`
  return new RegistryError('MANIFEST_DELETED', { message, details: error.details, cause: error })
}
