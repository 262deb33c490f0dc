import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { ADVERSARIES, type LongText } from './endless-text.ts'

/** Where time grows as the square of the length, one text alone takes longer. */
const HANG_MS = 60_000

for (const parser of Object.keys(ADVERSARIES)) {
  test(`${parser} of half a million characters and more is read in time that grows with its length`, async (t) => {
    const thread = new Worker(new URL('./endless-text.ts', import.meta.url), { workerData: parser })
    t.after(() => thread.terminate())
    const last = await lastUntilEnd(thread)
    assert.equal(last.hangs, false, `${parser} does not end on ${JSON.stringify(last.text)}`)
    assert.ok(last.text !== undefined)
  })
}

/** The last text that a thread told of, when it has read all of them or hangs. */
function lastUntilEnd(thread: Worker): Promise<{ text: LongText | undefined; hangs: boolean }> {
  return new Promise((resolve, reject) => {
    let text: LongText | undefined
    const timer = setTimeout(() => resolve({ text, hangs: true }), HANG_MS)
    thread.on('message', (message: LongText) => {
      text = message
      timer.refresh()
    })
    thread.once('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    thread.once('exit', () => {
      clearTimeout(timer)
      resolve({ text, hangs: false })
    })
  })
}
