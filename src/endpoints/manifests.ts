import { emptyAnswer } from '../api/answer.ts'
import { endpoint } from '../api/endpoint.ts'
import { contentDigestParameter, pushedTagsParameter } from '../api/parameters.ts'
import { requireMatch, tagCondition } from '../api/precondition.ts'
import { schemaNamed } from '../api/schema.ts'
import { RegistryError } from '../oci/error.ts'
import { MAX_MANIFEST_SIZE } from '../oci/manifest.ts'
import type { Reference } from '../oci/reference.ts'
import { formatRoute } from '../oci/route.ts'
import { CONTENT_CONDITIONS, CONTENT_ERRORS, contentAnswers, IMMUTABLE } from './content.ts'
import { specification } from './specification.ts'

/** `GET /v2/<name>/manifests/<reference>`. */
export const readManifest = endpoint({
  method: 'GET',
  route: 'manifest',
  action: 'pull',
  id: 'readManifest',
  summary: 'Pull a manifest',
  description: 'The media type is the one that the manifest was pushed with, whatever `Accept` says.',
  section: specification('Pulling manifests'),
  headers: CONTENT_CONDITIONS,
  answers: contentAnswers('*/*'),
  errors: ['MANIFEST_UNKNOWN', ...CONTENT_ERRORS],
  async handle({ registry }, { path: { name, reference }, isHead }) {
    const found = isHead ? undefined : await registry.manifests.read(name, reference)
    const { digest, mediaType, size } = found ?? (await registry.manifests.find(name, reference))
    const bytes = found?.bytes ?? new Uint8Array()
    return {
      type: 'content',
      digest,
      mediaType,
      size,
      cacheControl: cacheControl(reference),
      open: async ({ start, end }) => ({ type: 'bytes', bytes: bytes.subarray(start, end + 1) }),
    }
  },
})

function cacheControl({ tag }: Reference): string {
  return tag === undefined ? IMMUTABLE : 'no-cache, no-transform'
}

/** `PUT /v2/<name>/manifests/<reference>`. */
export const pushManifest = endpoint({
  method: 'PUT',
  route: 'manifest',
  action: 'push',
  id: 'pushManifest',
  summary: 'Push a manifest, and point tags to it',
  description:
    'Either all tags are set or none. All content that the manifest references must be in the repository, except for its `subject`. ' +
    '`If-Match` and `If-None-Match` are compared with the manifest that each tag currently points to.',
  section: specification('Pushing Manifests'),
  query: {
    digest: contentDigestParameter('The digest of the manifest, for use with a tag in the path.'),
    tag: pushedTagsParameter('A tag to set, in addition to a tag in the path.'),
  },
  headers: ['If-Match', 'If-None-Match'],
  body: {
    description: 'The manifest. `Content-Type` must be the same as its `mediaType`, if it has one.',
    required: true,
    content: { '*/*': schemaNamed('Manifest') },
  },
  answers: {
    201: {
      description: 'The manifest is stored durably, and the tags point to it.',
      headers: ['Location', 'Docker-Content-Digest', 'OCI-Subject?', 'OCI-Tag?'],
    },
  },
  errors: [
    'MANIFEST_INVALID',
    'MANIFEST_TOO_LARGE',
    'MANIFEST_BLOB_UNKNOWN',
    'DIGEST_INVALID',
    'DIGEST_UNSUPPORTED',
    'TAG_INVALID',
    'PRECONDITION_FAILED',
    'REPOSITORY_DELETING',
  ],
  async handle({ registry, caller: { actor } }, request) {
    const { name, reference } = request.path
    const { tag: named } = request.query
    const { digest, subject } = await registry.manifests.push({
      repository: name,
      bytes: await readManifestBody(request),
      contentType: request.header('content-type'),
      digest: reference.digest ?? request.query.digest,
      tags: reference.tag === undefined ? named : [...new Set([reference.tag, ...named])],
      condition: tagCondition(request),
      actor,
    })
    return emptyAnswer(201, {
      Location: formatRoute('manifest', { name, reference: digest }),
      'Docker-Content-Digest': digest,
      ...(subject && { 'OCI-Subject': subject }),
      ...(named.length > 0 && { 'OCI-Tag': named.join(', ') }),
    })
  },
})

/** The parts of a request that a manifest is read from. */
interface ManifestBody {
  header(name: string): string | undefined
  readonly body: AsyncIterable<Uint8Array>
  keepBody(): void
}

/** Reads a manifest's bytes. @throws RegistryError MANIFEST_TOO_LARGE as soon as the size is known to be too large */
async function readManifestBody(request: ManifestBody): Promise<Uint8Array> {
  if (Number(request.header('content-length') ?? 0) > MAX_MANIFEST_SIZE)
    throw new RegistryError('MANIFEST_TOO_LARGE')
  request.keepBody()
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body) {
    size += chunk.length
    if (size > MAX_MANIFEST_SIZE) throw new RegistryError('MANIFEST_TOO_LARGE')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}

/** `DELETE /v2/<name>/manifests/<reference>`. */
export const deleteManifest = endpoint({
  method: 'DELETE',
  route: 'manifest',
  action: 'delete',
  id: 'deleteManifest',
  summary: 'Remove a tag, or delete a manifest and its tags',
  description:
    'Removing a tag does not delete its manifest. A manifest that an index references cannot be deleted before that index.',
  section: specification('Deleting Manifests'),
  headers: ['If-Match', 'If-None-Match'],
  answers: {
    202: {
      description:
        'The tag was removed, or the manifest was deleted. For a manifest, `Docker-Content-Digest` is its digest.',
      headers: ['Docker-Content-Digest?'],
    },
  },
  errors: ['TAG_INVALID', 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN', 'MANIFEST_NEEDED', 'PRECONDITION_FAILED'],
  async handle({ registry, caller: { actor } }, request) {
    const { name, reference } = request.path
    if (reference.tag !== undefined) {
      const condition = tagCondition(request)
      await registry.manifests.deleteTag(name, reference.tag, { condition, actor })
      return emptyAnswer(202)
    }
    requireMatch(request, reference.digest)
    await registry.manifests.delete(name, reference.digest, actor)
    return emptyAnswer(202, { 'Docker-Content-Digest': reference.digest })
  },
})
