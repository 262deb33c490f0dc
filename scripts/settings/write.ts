import { writeFileSync } from 'node:fs'
import { makeSettingsPage } from './page.ts'

writeFileSync(new URL('../../docs/operations/settings.md', import.meta.url), makeSettingsPage())
