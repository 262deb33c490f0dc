import { type Answer, jsonAnswer } from '../../api/answer.ts'
import type { Context } from '../../api/context.ts'
import type { RequestAt } from '../../api/endpoint.ts'
import { extensionEndpoint } from '../../api/extension.ts'
import { contentIn } from '../../api/operation.ts'
import { type JsonSchema, schemaNamed } from '../../api/schema.ts'
import { bodySchema, readBody } from '../body.ts'
import { digestField, tagsField } from '../body-fields.ts'
import { pageSection } from './documentation.ts'
import { ownMediaTypes } from './media-types.ts'

const MEDIA_TYPES = ownMediaTypes('undelete')

const BODY = {
  digest: { ...digestField('The manifest.'), required: true },
  tags: tagsField('Tags to point to it, whatever they currently point to; none if absent.'),
} as const

const TAGS: JsonSchema = { type: 'array', items: schemaNamed('Tag') }

/** The forms of its requests and answers. */
export const MANIFEST_UNDELETE_SCHEMAS = {
  UndeleteRequest: bodySchema('The manifest to restore.', BODY),
  Undelete: {
    type: 'object',
    description: 'A manifest that was restored.',
    required: ['name', 'digest', 'tags', 'previousTags'],
    additionalProperties: false,
    properties: {
      name: schemaNamed('RepositoryName'),
      digest: schemaNamed('Digest'),
      tags: { ...TAGS, description: 'The tags that were set by this request.' },
      previousTags: {
        ...TAGS,
        maxItems: 1_000,
        description: 'The tags that it had when it was deleted, in byte order; at most the first 1,000.',
      },
    },
  },
} as const satisfies Record<string, JsonSchema>

/** `POST /v2/<name>/_stowage/manifests/undelete`. */
export const manifestUndeleteEndpoint = extensionEndpoint({
  method: 'POST',
  route: 'repositoryExtension',
  component: 'manifests',
  module: 'undelete',
  action: 'push',
  mediaTypes: MEDIA_TYPES,
  id: 'undeleteManifest',
  summary: 'Restore a deleted manifest',
  description:
    'Deleted manifests that it references are restored with it. It moves to the end of the order of first pushes.',
  section: pageSection('Undelete', 'undelete'),
  body: {
    description: 'The manifest, and the tags to point to it.',
    required: true,
    content: contentIn(['application/json'], { $ref: '#/components/schemas/UndeleteRequest' }),
  },
  answers: {
    200: {
      description: 'The manifest and everything that it references are restored, and the tags point to it.',
      content: contentIn(MEDIA_TYPES, { $ref: '#/components/schemas/Undelete' }),
    },
  },
  errors: ['NAME_UNKNOWN', 'MANIFEST_UNKNOWN', 'MANIFEST_EXISTS', 'CONTENT_GONE'],
  handle: undeleteManifest,
})

async function undeleteManifest(
  { registry, caller: { actor } }: Context,
  request: RequestAt<'repositoryExtension'>,
): Promise<Answer> {
  const { name } = request.path
  const { digest, tags = [] } = await readBody(request, BODY)
  const previousTags = await registry.manifests.undelete(name, digest, { tags, actor })
  return jsonAnswer({ name, digest, tags, previousTags })
}
