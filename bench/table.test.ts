import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CaseRounds, formatTable, mediansOf, type SystemRounds } from './table.ts'
import type { Figures } from './workload.ts'

const fast: Figures = {
  median: 1,
  p99: 2,
  rate: 300,
  cpu: 0.5,
  peak: 2 ** 20,
  load: 0.1,
  count: 10,
  failed: 0,
}

function system(name: string, kind: SystemRounds['kind'], ...rounds: Partial<Figures>[]): SystemRounds {
  return { system: name, kind, rounds: rounds.map((round) => ({ ...fast, ...round })) }
}

function workload(...systems: SystemRounds[]): CaseRounds {
  return { name: 'get/16', label: 'GET, 16 connections', unit: 'request', systems }
}

test('of rounds the medians are shown, and all that failed', () => {
  const rounds = [1, 3, 100].map((rate, failed) => ({ ...fast, rate, failed }))
  const { rate, failed, count } = mediansOf(rounds)
  assert.deepEqual({ rate, failed, count }, { rate: 3, failed: 3, count: 30 })
})

test('a figure that no round has is not made up', () => {
  assert.deepEqual(mediansOf([{ median: Number.NaN, count: 0, failed: 0 }]), { count: 0, failed: 0 })
})

test('Stowage is set against the peer that is best, and against the server of files', () => {
  const text = formatTable([
    workload(
      system('stowage', 'stowage', { rate: 600 }),
      system('slow', 'peer', { rate: 100 }),
      system('best', 'peer', { rate: 300 }),
      system('nginx', 'files', { rate: 1200 }),
    ),
  ])
  assert.match(text, /^ {4}stowage to best: rate 2\.00x, median 1\.00x/m)
  assert.match(text, /^ {4}stowage to nginx: rate 0\.50x/m)
  assert.doesNotMatch(text, /stowage to slow/)
})

test('where less is better, the best peer is the one with least', () => {
  const starts = workload(
    system('stowage', 'stowage', { median: 100 }),
    system('quick', 'peer', { median: 50 }),
    system('slow', 'peer', { median: 400 }),
  )
  assert.match(formatTable([{ ...starts, unit: 'start' }]), /stowage to quick: median 2\.00x/)
})

test('a system that is named is compared with instead', () => {
  const text = formatTable(
    [
      workload(
        system('stowage', 'stowage', { rate: 600 }),
        system('stowage@main', 'stowage', { rate: 400 }),
        system('best', 'peer'),
      ),
    ],
    'stowage@main',
  )
  assert.match(text, /stowage to stowage@main: rate 1\.50x/)
  assert.doesNotMatch(text, /to best/)
})

test('a failed request is shown with its reason, and what was not measured too', () => {
  const text = formatTable([
    workload(system('stowage', 'stowage', { failed: 4, firstFailure: 'GET /: 500 instead of 200' }), {
      system: 'old',
      kind: 'peer',
      rounds: [{ count: 0, failed: 0, note: 'is not offered (404)' }],
    }),
  ])
  assert.match(text, /^ {2}stowage .* 4$/m)
  assert.match(text, /^ {4}4 of stowage failed, first GET \/: 500 instead of 200$/m)
  assert.match(text, /^ {2}old +is not offered \(404\)$/m)
  assert.doesNotMatch(text, /to old/)
})

test('bytes are shown as MB/s and their processor time for a GiB', () => {
  const pulls = workload(system('stowage', 'stowage', { rate: 1.5e9, cpu: 0.456 }))
  assert.match(formatTable([{ ...pulls, unit: 'byte' }]), /1,500 MB\/s +0\.46 s\/GiB/)
})
