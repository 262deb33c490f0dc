import { printable } from '../conformance/printable.ts'
import { type CheckedBlobs, type CheckReport, checkFolder } from '../maintenance/check.ts'
import { refuseUnreadable } from '../maintenance/claim.ts'
import { describeLost, type LostBlob } from '../maintenance/lost-blob.ts'
import type { Orphans } from '../maintenance/orphans.ts'
import { DataFolderError, describeProblem, refuseUnfinished } from '../stores/data-folder.ts'
import { formatBytes } from './bytes.ts'
import { openProgress, type Progress } from './progress.ts'
import { requireDataFolder } from './required-folder.ts'
import { readFolderSettings } from './setting-sources.ts'

/** The options of `stowage check`. */
export interface CheckOptions {
  data?: string
  full?: boolean
  deleteOrphans?: boolean
  json?: boolean
}

/** The most problems that are reported in JSON. Plain lines have no such limit. */
const MAX_TOLD = 100

/** Checks a data folder, and reports the result. @throws UsageError, DataFolderError */
export async function runCheck(options: CheckOptions): Promise<void> {
  const { data } = await readFolderSettings({ flags: { ...options }, environment: process.env })
  await requireDataFolder(data)
  await refuseUnfinished(data)
  await refuseUnreadable(data)
  const isFull = options.full === true
  const progress = openProgress()
  const started = performance.now()
  const told: Told = { database: [], blobs: [] }
  const say = sayer(options, progress)
  const report = await checkFolder({
    data,
    isFull,
    deletesOrphans: options.deleteOrphans === true,
    onDatabaseProblem(problem) {
      if (told.database.length < MAX_TOLD) told.database.push(problem)
      say(`metadata.sqlite: ${problem}`)
    },
    onLost(lost) {
      if (told.blobs.length < MAX_TOLD) told.blobs.push(lost)
      say(describeLost(lost))
    },
    onProgress: (checked) => progress.show(() => describeBlobs(checked)),
  })
    .catch((error: unknown) => {
      throw new DataFolderError(`${data} cannot be checked: ${describeProblem(error)}`, { cause: error })
    })
    .finally(() => progress.close())
  const seconds = (performance.now() - started) / 1000
  const text = options.json ? asJson(report, told, { data, isFull, seconds }) : describe(report, isFull)
  process.stdout.write(`${text}\n`)
  if (!report.isSound) process.exitCode = 1
}

interface Told {
  database: string[]
  blobs: LostBlob[]
}

/** Problems are the result of the command, so they go to the standard output. */
function sayer({ json }: CheckOptions, progress: Progress): (line: string) => void {
  return (line) => {
    if (json) return
    progress.close()
    // In a damaged database it may be anything.
    process.stdout.write(`${printable(line)}\n`)
  }
}

function asJson(
  { isSound, databaseProblems, blobs, bytes, lost, orphans }: CheckReport,
  told: Told,
  facts: { data: string; isFull: boolean; seconds: number },
): string {
  return JSON.stringify({
    sound: isSound,
    data: facts.data,
    full: facts.isFull,
    seconds: facts.seconds,
    database: { problems: databaseProblems, examples: told.database },
    blobs: { whole: blobs, bytes, lost, examples: told.blobs },
    orphans: orphans ?? null,
  })
}

function describe(report: CheckReport, isFull: boolean): string {
  const { isSound, databaseProblems, lost, orphans } = report
  const how = isFull ? 'hashed' : 'there and of the right size'
  return [
    `database: ${databaseProblems === 0 ? 'sound' : count(databaseProblems, 'problem')}`,
    `blobs: ${describeBlobs(report)} ${how}${lost === 0 ? '' : `, ${lost} lost`}`,
    `orphans: ${orphans ? describeOrphans(orphans) : 'not looked for, since the database or the folder of blobs is not sound'}`,
    isSound ? 'sound' : 'not sound',
  ].join('\n')
}

function describeBlobs({ blobs, bytes }: CheckedBlobs): string {
  return `${count(blobs, 'blob')} with ${formatBytes(bytes)}`
}

function describeOrphans({ files, bytes, young, deleted, freed, foreign }: Orphans): string {
  const parts = [files === 0 ? 'none' : `${count(files, 'file')} with ${formatBytes(bytes)}`]
  if (young > 0) parts.push(`${young} younger than an hour`)
  if (deleted > 0) parts.push(`${deleted} deleted, which freed ${formatBytes(freed)}`)
  if (foreign > 0) parts.push(`${count(foreign, 'other file')} that no registry made`)
  return parts.join(', ')
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
