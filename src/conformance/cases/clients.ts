import type { Case } from '../case.ts'
import { clientCutCases } from './client-cuts.ts'
import { clientListCases } from './client-lists.ts'
import { clientManifestCases } from './client-manifests.ts'
import { clientPullCases } from './client-pulls.ts'
import { clientRequestCases } from './client-requests.ts'
import { clientRetryCases } from './client-retries.ts'
import { clientUploadCases } from './client-uploads.ts'

/** What real clients need, each seen to break them where it was not so. */
export const clientCases: readonly Case[] = [
  ...clientUploadCases,
  ...clientRetryCases,
  ...clientCutCases,
  ...clientPullCases,
  ...clientManifestCases,
  ...clientListCases,
  ...clientRequestCases,
]
