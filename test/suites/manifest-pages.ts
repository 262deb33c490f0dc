import assert from 'node:assert/strict'
import type { ListedManifest, ManifestFilters, ManifestQuery } from '../../src/metadata/manifests.ts'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import type { Digest } from '../../src/oci/digest.ts'
import type { RepositoryName } from '../../src/oci/reference.ts'

/** In bytes. */
export const MIB = 1024 * 1024

/** A query for a list of the manifests of a repository. */
export function queryOf(repository: RepositoryName, changes: Partial<ManifestQuery> = {}): ManifestQuery {
  return {
    repository,
    sort: 'pushed',
    descending: false,
    filters: {},
    limit: 1000,
    maxBytes: MIB,
    ...changes,
  }
}

/** Reads all pages of a list. @param between is done after each page */
export async function readAll(
  store: MetadataStore,
  query: ManifestQuery,
  between: () => Promise<unknown> = async () => {},
): Promise<ListedManifest[]> {
  const found: ListedManifest[] = []
  for (let after = query.after; ; ) {
    const page = await store.manifests.list({ ...query, ...(after && { after }) })
    assert.ok(page !== undefined)
    assert.ok(page.manifests.length <= query.limit)
    found.push(...page.manifests)
    if (page.next === undefined) return found
    assert.notDeepEqual(page.next, after)
    after = page.next
    await between()
  }
}

/** The digests of all that a query with these filters lists. */
export async function digestsOf(
  store: MetadataStore,
  repository: RepositoryName,
  filters: ManifestFilters,
): Promise<Digest[]> {
  return (await readAll(store, queryOf(repository, { filters }))).map(({ digest }) => digest)
}
