import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Group } from '../../src/conformance/case.ts'
import { CASES, selectCases } from '../../src/conformance/catalog.ts'
import { type Counts, GROUP_NAMES, VERDICTS } from '../../src/conformance/summary.ts'
import { readVerdicts, SPECIFICATIONS, type Specification, type Verdicts } from '../peers/verdicts.ts'

const PAGE = join(import.meta.dirname, '../../docs/conformance.md')
const TABLE = /^\| registry \| version \| group \|.*\n(?:\|.*\n)*/m
const ALL_PASS: Verdicts = { '1.1': {}, dev: {} }
const GROUPS = Object.keys(GROUP_NAMES) as Group[]

/** Registries with what is recorded of them, in the order of the page; of our own nothing may fail. */
async function readPeers(): Promise<[name: string, verdicts: Verdicts][]> {
  return [
    ['docker-registry 2.8.2', await readVerdicts('docker-registry')],
    ['Distribution 3.1.2', await readVerdicts('distribution')],
    ['olareg 0.2.2', await readVerdicts('olareg')],
    ['Stowage', ALL_PASS],
  ]
}

function count(verdicts: Verdicts, specification: Specification, group: Group): Counts {
  const counts: Counts = { passed: 0, warned: 0, failed: 0, undecided: 0, skipped: 0, unsupported: 0 }
  for (const { id } of selectCases({ specification, groups: [group] }).cases.filter(
    (each) => each.group === group,
  ))
    counts[verdicts[specification][id] ?? 'passed']++
  return counts
}

function formatTable(peers: readonly [string, Verdicts][]): string {
  const rows = peers.flatMap(([name, verdicts]) =>
    SPECIFICATIONS.flatMap((specification) =>
      GROUPS.filter((group) => CASES.some((each) => each.group === group)).map((group) => {
        const counts = count(verdicts, specification, group)
        return [name, specification, GROUP_NAMES[group], ...VERDICTS.map((verdict) => counts[verdict] || '·')]
      }),
    ),
  )
  const head = ['registry', 'version', 'group', ...VERDICTS]
  const line = head.map((_, index) => (index < 3 ? '---' : '---:'))
  return [head, line, ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('')
}

test('the page on conformance shows the verdicts that are recorded for other registries', async () => {
  const page = await readFile(PAGE, 'utf8')
  const table = formatTable(await readPeers())
  if (process.env.STOWAGE_RECORD_VERDICTS) await writeFile(PAGE, page.replace(TABLE, table))
  else assert.equal(TABLE.exec(page)?.[0], table)
})

test('every recorded verdict belongs to an existing case', async () => {
  for (const [name, verdicts] of await readPeers()) {
    for (const specification of SPECIFICATIONS) {
      const { asked } = selectCases({ specification })
      for (const [id, verdict] of Object.entries(verdicts[specification])) {
        assert.ok(asked.has(id), `${name} has a verdict for ${id}, which is no case of ${specification}`)
        assert.ok(verdict !== 'passed' && VERDICTS.includes(verdict), `${name}: ${id} ${verdict}`)
      }
    }
  }
})

test('the page on conformance names only cases that are there', async () => {
  const ids = new Set(CASES.map(({ id }) => id))
  const [, rest = ''] = (await readFile(PAGE, 'utf8')).split('### Compared with the official program')
  const [section = ''] = rest.split('\n## ')
  const named = [...section.matchAll(/`([a-z0-9]+(?:-[a-z0-9]+)+)`/g)].map(([, id = '']) => id)
  assert.ok(named.length > 10)
  assert.deepEqual(
    named.filter((id) => !ids.has(id)),
    [],
  )
})
