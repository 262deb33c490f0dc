import { setImmediate } from 'node:timers/promises'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { EVERYTHING, type Visibility } from './caller.ts'
import type { Page, Registry, RepositoryEntry } from './registry.ts'

/** How many repositories with a given content are checked to find one that it may be mounted from. */
const MAX_SOURCES = 1000
const SOURCES_AT_ONCE = 100

const views = new WeakMap<Registry, WeakMap<Visibility, Registry>>()

/**
 * A registry as a caller may see it: operations across repositories return only visible ones. Reads and writes of a named repository are
 * unchanged, since access to it is checked earlier.
 */
export function visibleRegistry(registry: Registry, visibility: Visibility): Registry {
  if (visibility === EVERYTHING) return registry
  const known = views.get(registry) ?? new WeakMap<Visibility, Registry>()
  views.set(registry, known)
  const view = known.get(visibility) ?? makeView(registry, visibility)
  known.set(visibility, view)
  return view
}

function makeView(registry: Registry, visibility: Visibility): Registry {
  const { blobs, repositories, changes, contents } = registry
  const visible = <Item>(items: readonly Item[], nameOf: (item: Item) => RepositoryName) =>
    filterVisible(visibility, items, nameOf)
  return {
    ...registry,
    blobs: {
      ...blobs,
      async mount(repository, digest, { from, actor }) {
        if (from !== undefined && !(await visibility.includes(from))) return false
        const source = from ?? (await findSource(registry, visibility, digest))
        return source !== undefined && (await blobs.mount(repository, digest, { from: source, actor }))
      },
    },
    repositories: {
      ...repositories,
      list: (after, limit) =>
        fillPage(
          { after, limit },
          {
            read: (from, count) => repositories.list(from, count),
            keep: (names) => visible(names, (name) => name),
            nameOf: (name) => name,
          },
        ),
      children: (query) =>
        fillPage(query, {
          read: (after, limit) => repositories.children({ ...query, after, limit }),
          keep: (entries) => filterEntries(registry, visibility, entries),
          nameOf: ({ name }) => name,
        }),
    },
    changes: {
      ...changes,
      async read(query) {
        const page = await changes.read(query)
        return { ...page, changes: await visible(page.changes, ({ repository }) => repository) }
      },
    },
    contents: {
      ...contents,
      async holders(digest, after, limit) {
        const page = await contents.holders(digest, after, limit)
        return { ...page, holders: await visible(page.holders, ({ repository }) => repository) }
      },
    },
  }
}

async function filterVisible<Item>(
  visibility: Visibility,
  items: readonly Item[],
  nameOf: (item: Item) => RepositoryName,
): Promise<Item[]> {
  const names = [...new Set(items.map(nameOf))]
  const allowed = await Promise.all(names.map((name) => visibility.includes(name)))
  const seen = new Set(names.filter((_, index) => allowed[index]))
  return items.filter((item) => seen.has(nameOf(item)))
}

interface PageSource<Item> {
  read(after: string, limit: number): Promise<Page<Item>>
  keep(items: readonly Item[]): Promise<Item[]>
  nameOf(item: Item): string
}

/**
 * Continues to read until a page is full. If a page ended with an invisible item, the start of the next page would reveal its name. Clients
 * take a page without a next page as the last one.
 */
async function fillPage<Item>(
  { after, limit }: { after: string; limit: number },
  { read, keep, nameOf }: PageSource<Item>,
): Promise<Page<Item>> {
  const items: Item[] = []
  for (let from = after; ; await setImmediate()) {
    const page = await read(from, limit + 1)
    items.push(...(await keep(page.items)))
    const last = page.items.at(-1)
    if (items.length > limit) return { items: items.slice(0, limit), more: true }
    if (!page.more || last === undefined) return { items, more: false }
    from = nameOf(last)
  }
}

/** A path that is not a repository itself is visible if a repository below it is. */
async function filterEntries(
  registry: Registry,
  visibility: Visibility,
  entries: readonly RepositoryEntry[],
): Promise<RepositoryEntry[]> {
  const seen: RepositoryEntry[] = []
  for (const entry of entries) {
    if (
      entry.state === undefined
        ? await leadsToVisible(registry, visibility, entry)
        : await visibility.includes(entry.name)
    )
      seen.push(entry)
  }
  return seen
}

async function leadsToVisible(
  { repositories }: Registry,
  visibility: Visibility,
  { name }: RepositoryEntry,
): Promise<boolean> {
  for (let after = ''; ; await setImmediate()) {
    const { items, more } = await repositories.children({ parent: name, recursive: true, after, limit: 1000 })
    const visible = await filterVisible(visibility, items, (item) => item.name)
    const last = items.at(-1)
    if (visible.length > 0) return true
    if (!more || last === undefined) return false
    after = last.name
  }
}

async function findSource(
  { contents }: Registry,
  visibility: Visibility,
  digest: Digest,
): Promise<RepositoryName | undefined> {
  let after = 0
  for (let looked = 0; looked < MAX_SOURCES; looked += SOURCES_AT_ONCE) {
    const { holders, next } = await contents.holders(digest, after, SOURCES_AT_ONCE)
    const blobs = holders.filter(({ as }) => as === 'blob')
    const [first] = await filterVisible(visibility, blobs, ({ repository }) => repository)
    if (first !== undefined) return first.repository
    if (next === undefined) return undefined
    after = next
  }
  return undefined
}
