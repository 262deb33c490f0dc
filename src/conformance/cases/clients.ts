import type { Case } from '../case.ts'
import { clientCutCases } from './clients/cuts.ts'
import { clientListCases } from './clients/lists.ts'
import { clientManifestCases } from './clients/manifests.ts'
import { clientPullCases } from './clients/pulls.ts'
import { clientRequestCases } from './clients/requests.ts'
import { clientRetryCases } from './clients/retries.ts'
import { clientUploadCases } from './clients/uploads.ts'

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
