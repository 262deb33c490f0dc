import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Where a program dies: at the so many-th point that matches. */
export interface KillPlan {
  /** A regular expression, such as `^after commit`. */
  pattern: string
  /** From 1. */
  count: number
}

/** The plan by which one program after the other is killed. */
export interface Killer {
  /** What a program is started with so that it follows the plan. */
  readonly env: Record<string, string>
  /** From now on points are written down, and the program dies at this one. */
  arm(plan: KillPlan): Promise<void>
  /** No program dies any more. @returns the points that were passed since it was armed */
  disarm(): Promise<string[]>
}

const PROGRAM = new URL('./kill-program.ts', import.meta.url).href

/** Makes a killer whose plan lies in a folder of its own, below another. */
export async function makeKiller(parent: string): Promise<Killer> {
  const folder = await mkdtemp(join(parent, 'plan-'))
  const plan = join(folder, 'plan')
  const points = join(folder, 'points')
  return {
    env: { STOWAGE_KILL_PLAN: folder, NODE_OPTIONS: `--import ${PROGRAM}` },
    async arm(next) {
      await writeFile(points, '')
      await writeFile(`${plan}.new`, JSON.stringify(next))
      await rename(`${plan}.new`, plan)
    },
    async disarm() {
      await rm(plan, { force: true })
      return (await readFile(points, 'utf8')).split('\n').slice(0, -1)
    },
  }
}
