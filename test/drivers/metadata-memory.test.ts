import { memoryMetadata } from '../../src/metadata/sqlite/store.ts'
import { metadataStoreSuite, metadataVolumeSuite } from '../suites/metadata-store.ts'

metadataStoreSuite('SQLite in memory', async (clock) => memoryMetadata(clock))
metadataVolumeSuite('SQLite in memory', async (clock) => memoryMetadata(clock))
