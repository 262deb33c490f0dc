import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { clientAt } from './command.ts'

/** Where the guides are. */
export const GUIDES = new URL('../../docs/guides/', import.meta.url)
const BLOCK = /^```sh\n([\s\S]*?)^```$/gm

/** The scripts of a guide, in order. */
export function scriptsOf(guide: string): string[] {
  const text = readFileSync(new URL(guide, GUIDES), 'utf8')
  const blocks = [...text.matchAll(BLOCK)].map((match) => match[1] ?? '')
  assert.ok(blocks.length > 0, `${guide} has no script`)
  return blocks
}

/** The scripts of a guide by the headings that they stand below, each as one. */
export function sectionsOf(guide: string): Map<string, string> {
  const text = readFileSync(new URL(guide, GUIDES), 'utf8')
  const sections = text.split(/^## /m).slice(1)
  const scripts = sections.map((section): [string, string] => [
    section.slice(0, section.indexOf('\n')),
    [...section.matchAll(BLOCK)].map((match) => match[1]).join('\n'),
  ])
  return new Map(scripts.filter(([, script]) => script !== ''))
}

/** Runs all scripts of a guide, in a folder that they may write to. @returns the lines that they print */
export async function runGuide(
  folder: string,
  guide: string,
  env: Record<string, string>,
): Promise<string[]> {
  return await runScript(folder, scriptsOf(guide).join('\n'), env)
}

/** Runs a script in a folder that it may write to. @returns the lines that it prints */
export async function runScript(
  folder: string,
  script: string,
  env: Record<string, string>,
): Promise<string[]> {
  const home = join(folder, 'home')
  await mkdir(home, { recursive: true })
  const { stdout } = await clientAt(home).run('bash', ['-c', script], { cwd: folder, env })
  return stdout.split('\n').filter((line) => line !== '')
}
