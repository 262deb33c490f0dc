import { mkdirSync, writeFileSync } from 'node:fs'
import { makeDocument } from './document.ts'
import { makePage } from './page.ts'

const FOLDER = new URL('../../docs/api/', import.meta.url)

mkdirSync(FOLDER, { recursive: true })
writeFileSync(new URL('openapi.json', FOLDER), JSON.stringify(makeDocument(), null, 2))
writeFileSync(new URL('README.md', FOLDER), makePage())
