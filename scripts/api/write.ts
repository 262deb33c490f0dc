import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { makeDocument } from './document.ts'
import { makePage } from './page.ts'
import { makeSchemas } from './schemas.ts'

const FOLDER = new URL('../../docs/api/', import.meta.url)
const SCHEMAS = new URL('../../docs/extensions/schemas/', import.meta.url)

mkdirSync(FOLDER, { recursive: true })
writeFileSync(new URL('openapi.json', FOLDER), JSON.stringify(makeDocument(), null, 2))
writeFileSync(new URL('README.md', FOLDER), makePage())

rmSync(SCHEMAS, { recursive: true, force: true })
mkdirSync(SCHEMAS, { recursive: true })
for (const [file, schema] of Object.entries(makeSchemas())) {
  writeFileSync(new URL(file, SCHEMAS), JSON.stringify(schema, null, 2))
}
