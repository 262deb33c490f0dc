import { jsonAnswer } from '../api/answer.ts'
import { endpoint } from '../api/endpoint.ts'
import { schemaNamed } from '../api/schema.ts'
import { MEDIA_TYPES } from '../oci/media-type.ts'
import { specification } from './specification.ts'

/** `GET /v2/`. */
export const base = endpoint({
  method: 'GET',
  route: 'base',
  action: 'pull',
  id: 'base',
  summary: 'Check that this is a registry',
  section: specification('Determining Support'),
  answers: {
    200: { description: 'This is a registry.', content: { [MEDIA_TYPES.json]: schemaNamed('Empty') } },
  },
  errors: [],
  handle: async () => jsonAnswer({}),
})
