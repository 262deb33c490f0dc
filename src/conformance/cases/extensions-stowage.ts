import type { Case } from '../case.ts'
import { manifestFilterCases } from './extensions-manifest-filters.ts'
import { manifestFormCases } from './extensions-manifest-forms.ts'
import { manifestListCases } from './extensions-manifest-list.ts'
import { repositoryListCases } from './extensions-repository-list.ts'

/** Lists of manifests and repositories. */
export const listCases: readonly Case[] = [
  ...manifestListCases,
  ...manifestFilterCases,
  ...manifestFormCases,
  ...repositoryListCases,
]

/** What docs/extensions promises: of a registry that offers an endpoint, all that its page says. */
export const stowageCases: readonly Case[] = [...listCases]
