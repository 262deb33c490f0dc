import assert from 'node:assert/strict'
import type { Exit } from './program.ts'

/** Fails unless a program ended by telling its problem in one clear line, and nothing else. */
export function assertRefusedToStart({ code, stdout, stderr }: Exit, problem: RegExp): void {
  assert.equal(code, 1, stderr)
  assert.equal(stdout, '')
  assert.match(stderr, /^(?:stowage|error): [^\n]+\n$/)
  assert.match(stderr, problem)
  assert.doesNotMatch(stderr, /Error:|expected string/, 'words for programmers')
}

/** Fails unless a command told its problem in one clear line, and nothing else, and ended with a code. */
export function assertToldProblem({ code, stdout, stderr }: Exit, wanted: number, problem: RegExp): void {
  assert.equal(`${code} ${stdout}`, `${wanted} `, stderr)
  assert.match(stderr, /^stowage: [^\n]+\n$/)
  assert.match(stderr, problem)
  assert.doesNotMatch(stderr, /Error:/, 'words for programmers')
}
