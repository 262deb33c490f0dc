import { writeFileSync } from 'node:fs'
import { makeSettingsPage } from './page.ts'
import { makeSettingsSchema } from './schema.ts'

const FOLDER = new URL('../../docs/operations/', import.meta.url)

writeFileSync(new URL('settings.md', FOLDER), makeSettingsPage())
writeFileSync(new URL('stowage.schema.json', FOLDER), JSON.stringify(makeSettingsSchema(), null, 2))
