import { emptyAnswer } from '../api/answer.ts'
import { endpoint } from '../api/endpoint.ts'
import { requireMatch } from '../api/precondition.ts'
import { MEDIA_TYPES } from '../oci/media-type.ts'
import { CONTENT_CONDITIONS, CONTENT_ERRORS, contentAnswers, IMMUTABLE } from './content.ts'
import { specification } from './specification.ts'

/** `GET /v2/<name>/blobs/<digest>`. */
export const readBlob = endpoint({
  method: 'GET',
  route: 'blob',
  action: 'pull',
  id: 'readBlob',
  summary: 'Pull a blob',
  section: specification('Pulling blobs'),
  headers: CONTENT_CONDITIONS,
  answers: contentAnswers(MEDIA_TYPES.blob),
  // A request for a blob extends how long it is kept, which is a write.
  errors: ['BLOB_UNKNOWN', ...CONTENT_ERRORS, 'STORAGE_FULL', 'UNAVAILABLE'],
  async handle({ registry }, { path: { name, digest } }) {
    const { size, open } = await registry.blobs.find(name, digest)
    return {
      type: 'content',
      digest,
      mediaType: MEDIA_TYPES.blob,
      size,
      cacheControl: IMMUTABLE,
      open,
    }
  },
})

/** `DELETE /v2/<name>/blobs/<digest>`. */
export const deleteBlob = endpoint({
  method: 'DELETE',
  route: 'blob',
  action: 'delete',
  id: 'deleteBlob',
  summary: 'Delete a blob from a repository',
  section: specification('Deleting Blobs'),
  headers: ['If-Match'],
  answers: {
    202: { description: 'The blob is no longer part of the repository.', headers: ['Docker-Content-Digest'] },
  },
  errors: ['BLOB_UNKNOWN', 'NAME_UNKNOWN', 'BLOB_NEEDED', 'PRECONDITION_FAILED'],
  async handle({ registry }, request) {
    const { name, digest } = request.path
    requireMatch(request, digest)
    await registry.blobs.delete(name, digest)
    return emptyAnswer(202, { 'Docker-Content-Digest': digest })
  },
})
