import type { Case } from '../../case.ts'
import { contentCases } from './content.ts'
import { feedCases } from './feed.ts'
import { pastTagCases } from './history.ts'
import { manifestFilterCases } from './manifest-filters.ts'
import { manifestFormCases } from './manifest-forms.ts'
import { manifestListCases } from './manifest-list.ts'
import { repositoryDeletionCases } from './repository-deletion.ts'
import { repositoryListCases } from './repository-list.ts'
import { undoingCases } from './undoing.ts'

/** Lists of manifests and repositories. */
export const listCases: readonly Case[] = [
  ...manifestListCases,
  ...manifestFilterCases,
  ...manifestFormCases,
  ...repositoryListCases,
]

/** What was, and what can be undone. */
export const historyCases: readonly Case[] = [...pastTagCases, ...undoingCases, ...repositoryDeletionCases]

/** What docs/extensions promises: of a registry that offers an endpoint, all that its page says. */
export const stowageCases: readonly Case[] = [...listCases, ...historyCases, ...feedCases, ...contentCases]
