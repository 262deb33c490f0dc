import { blobStoreSuite } from '../../test/suites/blob-store.ts'
import { memoryBlobStore } from './memory.ts'

blobStoreSuite('memory', async () => memoryBlobStore())
