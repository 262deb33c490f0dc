// Starts a registry inside this program, pushes an artifact to it, and pulls it again.
//
//   npm install stowage && node embed.ts [folder]
import { startRegistry } from 'stowage'
import { openRegistryClient } from 'stowage/client'
import { MEDIA_TYPES, parseManifest } from 'stowage/oci'

const [folder] = process.argv.slice(2)

// Without a folder, the data is in a temporary one that close() deletes.
const registry = await startRegistry({ ...(folder !== undefined && { data: folder }), keepDeleted: '1d' })
console.log(`a registry listens on ${registry.url} and keeps its data in ${registry.data}`)
try {
  const notes = openRegistryClient(registry.url).repository('examples/notes')

  const note = new TextEncoder().encode('Hello from inside a program.\n')
  const layer = await notes.pushBlob(note)
  const config = await notes.pushBlob(new TextEncoder().encode('{}'))
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    artifactType: 'application/vnd.example.note',
    config: { mediaType: MEDIA_TYPES.ociEmpty, ...config },
    layers: [{ mediaType: 'text/plain', ...layer }],
  }
  const bytes = new TextEncoder().encode(JSON.stringify(manifest))
  const { digest } = await notes.putManifest('latest', { mediaType: manifest.mediaType, bytes })
  console.log(`pushed ${digest}`)

  const pulled = await notes.getManifest('latest')
  const [text] = parseManifest(pulled.bytes, pulled.mediaType).edges.filter(({ kind }) => kind === 'layer')
  if (text === undefined) throw new Error('the manifest has no layer')
  const { body } = await notes.getBlob(text.digest, { size: text.size })
  console.log(`pulled: ${(await new Response(body).text()).trim()}`)
} finally {
  await registry.close()
}
