import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Report, VerdictName } from '../../src/conformance/summary.ts'
import type { ProgramOptions, Sandbox } from '../cli/program.ts'

/** The versions of the specification that registries are held to. */
export const SPECIFICATIONS = ['1.1', 'dev'] as const

export type Specification = (typeof SPECIFICATIONS)[number]

/** Cases that did not pass and what became of them, for each version of the specification. */
export type Verdicts = Record<Specification, Record<string, VerdictName>>

const FOLDER = join(import.meta.dirname, 'verdicts')

/** Reads what is recorded for a peer. */
export async function readVerdicts(peer: string): Promise<Verdicts> {
  return JSON.parse(await readFile(join(FOLDER, `${peer}.json`), 'utf8'))
}

/** Records what became of a peer's cases. */
export async function writeVerdicts(peer: string, verdicts: Verdicts): Promise<void> {
  await writeFile(join(FOLDER, `${peer}.json`), `${JSON.stringify(verdicts, null, 2)}\n`)
}

/** Runs all cases of all groups by the command and reads its report. */
export async function reportOn(
  sandbox: Sandbox,
  url: string,
  specification: Specification,
  programOptions?: ProgramOptions,
): Promise<Report> {
  const file = `${specification}.json`
  const args = ['conformance', url, '--spec', specification, '--json', file]
  const { code, stdout, stderr } = await sandbox.run(args, programOptions)
  const text = await readFile(join(sandbox.folder, file), 'utf8').catch(() => undefined)
  // A program that fell over ends with 1 too.
  assert.ok(text !== undefined && [0, 1, 3].includes(code ?? -1), stdout + stderr)
  const { registries } = JSON.parse(text)
  const [report]: Report[] = registries
  assert.ok(report !== undefined)
  return report
}

/** What did not pass, by id in the order of the alphabet. */
export function verdictsOf({ cases }: Report): Record<string, VerdictName> {
  const rest = cases.filter(({ verdict }) => verdict !== 'passed')
  return Object.fromEntries(
    rest.map(({ id, verdict }) => [id, verdict] as const).sort(([one], [other]) => (one < other ? -1 : 1)),
  )
}
