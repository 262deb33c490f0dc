import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { temporaryFolder } from '../stowage.ts'

/** A process of a test, and what it said first. */
export interface Program {
  said: string
  /** Kills it as a power cut would, and waits until it is gone. */
  kill(): Promise<void>
}

/** Runs a program of module syntax in a process of its own, and waits until it says something; it is killed when the test ends. */
export async function startProgram(test: TestContext, source: string): Promise<Program> {
  const path = join(await temporaryFolder(test), 'program.mjs')
  await writeFile(path, source)
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const kill = () => killed(child)
  test.after(kill)
  const said = once(child.stdout, 'data').then(([data]) => String(data))
  const exited = once(child, 'exit').then(([code]) => `exited with ${code} and said nothing`)
  return { said: await Promise.race([said, exited]), kill }
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}
