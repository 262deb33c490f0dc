import assert from 'node:assert/strict'

/** A change as the feed tells it. */
export interface ToldChange {
  sequence: number
  at: string
  repository: string
  revision: number
  kind: string
  subject: string
  old?: string
  new?: string
  actor?: string
}

/** What the feed answers. */
export interface ChangeList {
  changes: ToldChange[]
  next: number
  last: number
}

/** Where the feed is: of the registry, or of the repository of this name. */
export function feedUrl(url: string, repository: string, module: 'list' | 'stream', query: string): string {
  const level = repository === '' ? '' : `${repository}/`
  return `${url}/v2/${level}_stowage/changes/${module}${query}`
}

/** Asks for one page of changes. */
export async function listChanges(url: string, repository: string, query: string): Promise<ChangeList> {
  const answer = await fetch(feedUrl(url, repository, 'list', query))
  assert.equal(answer.status, 200, await answer.clone().text())
  return (await answer.json()) as ChangeList
}

/** Follows the feed from page to page, and waits at its end, until it has come to a change. */
export async function followChanges(
  url: string,
  repository: string,
  { since, n = 1000, until }: { since: number; n?: number; until: (change: ToldChange) => boolean },
): Promise<ToldChange[]> {
  const told: ToldChange[] = []
  for (let next = since; ; ) {
    const page = await listChanges(url, repository, `?since=${next}&n=${n}&wait=20`)
    told.push(...page.changes)
    if (page.changes.some(until)) return told
    next = page.next
  }
}

/** Reads a stream of events until it has told of a change, or of so many; then breaks off. */
export async function readEvents(
  answer: Response,
  isEnough: (events: readonly ToldChange[]) => boolean,
): Promise<ToldChange[]> {
  const events: ToldChange[] = []
  let rest = ''
  for await (const chunk of answer.body ?? []) {
    const parts = (rest + Buffer.from(chunk)).split('\n\n')
    rest = parts.pop() ?? ''
    events.push(...parts.filter((part) => !part.startsWith(':')).map(parseEvent))
    if (isEnough(events)) return events
  }
  return events
}

function parseEvent(text: string): ToldChange {
  const [, id, json = ''] = /^id: (\d+)\nevent: change\ndata: (.+)$/.exec(text) ?? []
  const change = JSON.parse(json) as ToldChange
  assert.equal(id, String(change.sequence), text)
  return change
}

/** Fails if changes are not in order, or if the revisions of a repository skip or repeat one, or its times go back. */
export function assertWhole(changes: readonly ToldChange[]): void {
  const newest = new Map<string, ToldChange>()
  let sequence = 0
  for (const change of changes) {
    assert.ok(change.sequence > sequence, `${change.sequence} comes behind ${sequence}`)
    sequence = change.sequence
    const before = newest.get(change.repository)
    newest.set(change.repository, change)
    if (before === undefined) continue
    assert.equal(change.revision, before.revision + 1, `a revision of ${change.repository}`)
    assert.ok(change.at >= before.at, `${change.at} comes behind ${before.at}`)
  }
}
