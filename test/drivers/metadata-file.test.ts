import { join } from 'node:path'
import { sqliteMetadata } from '../../src/metadata/sqlite/store.ts'
import { temporaryFolder } from '../stowage.ts'
import { metadataStoreSuite, metadataVolumeSuite } from '../suites/metadata-store.ts'
import { wholeFile } from '../whole-file.ts'

const folder = await temporaryFolder(wholeFile)

metadataStoreSuite('SQLite in a file', (clock) =>
  sqliteMetadata({ path: join(folder, 'metadata.sqlite'), clock }),
)
metadataVolumeSuite('SQLite in a file', (clock) =>
  sqliteMetadata({ path: join(folder, 'volume.sqlite'), clock }),
)
