import type { Case } from '../case.ts'
import { contentCases } from './extensions-content.ts'
import { feedCases } from './extensions-feed.ts'
import { pastTagCases } from './extensions-history.ts'
import { manifestFilterCases } from './extensions-manifest-filters.ts'
import { manifestFormCases } from './extensions-manifest-forms.ts'
import { manifestListCases } from './extensions-manifest-list.ts'
import { repositoryDeletionCases } from './extensions-repository-deletion.ts'
import { repositoryListCases } from './extensions-repository-list.ts'
import { undoingCases } from './extensions-undoing.ts'

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
