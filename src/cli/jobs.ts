import { Command } from 'commander'
import { formatBytes } from './bytes.ts'
import { formatDuration } from './duration.ts'
import { configOption, settingOption } from './setting-option.ts'
import { readFolderSettings } from './setting-sources.ts'
import { formatTable } from './text-table.ts'

interface JobsOptions {
  data?: string
  adminSocket?: string
  json?: boolean
}

/** A run of a job, as the server tells it. Times are in milliseconds. */
interface Run {
  started: number
  took: number
  outcome: 'done' | 'failed' | 'stopped'
  result: Record<string, number>
  error?: string
}

/** A job, as the server tells it. */
interface Job {
  name: string
  every?: number
  running?: number
  next?: number
  last?: Run
}

/** `stowage jobs`: shows what a running server does by itself. */
export function jobsCommand(): Command {
  return new Command('jobs')
    .description('show what a running server does by itself, and whether it works')
    .argument('[name]', 'show the last runs of this job')
    .addOption(configOption())
    .addOption(settingOption('data', 'data folder of the server'))
    .addOption(settingOption('adminSocket', 'admin socket of the server, if not in the data folder'))
    .option('--json', 'print the result as JSON')
    .action(showJobs)
}

async function showJobs(name: string | undefined, options: JobsOptions): Promise<void> {
  const { askServer } = await import('./admin-client.ts')
  const { adminSocket } = await readFolderSettings({ flags: { ...options }, environment: process.env })
  const question =
    name === undefined ? { route: 'GET /jobs' } : { route: 'POST /jobs/runs', body: { job: name } }
  for await (const value of askServer(adminSocket, question)) {
    if (options.json) process.stdout.write(`${JSON.stringify(value)}\n`)
    else process.stdout.write(name === undefined ? tableOfJobs(value as Job[]) : tableOfRuns(value as Run[]))
  }
}

function tableOfJobs(jobs: readonly Job[]): string {
  const now = Date.now()
  const rows = jobs.map(({ name, every, running, next, last }) => [
    name,
    every === undefined ? 'on demand' : formatDuration(every),
    ...(last === undefined ? ['never', '-', '-', '-'] : cellsOf(last)),
    running === undefined ? nextRun(next, now) : `running for ${formatDuration(now - running)}`,
  ])
  return formatTable(['JOB', 'EVERY', 'LAST RUN', 'TOOK', 'RESULT', 'ERROR', 'NEXT RUN'], rows)
}

function tableOfRuns(runs: readonly Run[]): string {
  if (runs.length === 0) return 'no run that did something or failed is recorded\n'
  return formatTable(['STARTED', 'TOOK', 'RESULT', 'ERROR'], runs.map(cellsOf))
}

/** When it began, how long it took, its result, its error. */
function cellsOf({ started, took, outcome, result, error }: Run): string[] {
  return [formatTime(started), formatDuration(took), describeResult(outcome, result), error ?? '-']
}

function nextRun(next: number | undefined, now: number): string {
  return next === undefined ? 'on demand' : `in ${formatDuration(Math.max(0, next - now))}`
}

/** Such as `2026-11-28 13:20:11Z`. */
function formatTime(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')}Z`
}

function describeResult(outcome: Run['outcome'], result: Run['result']): string {
  const figures = Object.entries(result)
    .filter(([, figure]) => figure !== 0)
    .map(([name, figure]) => `${name} ${name === 'freed' ? formatBytes(figure) : figure}`)
    .join(', ')
  if (outcome === 'done') return figures || 'nothing to do'
  return figures === '' ? outcome : `${outcome}: ${figures}`
}
