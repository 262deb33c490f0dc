import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseWrkOutput } from './wrk-output.ts'

const OUTPUT = `Running 1s test @ http://127.0.0.1:5811/v2/
  1 threads and 4 connections
  Non-2xx or 3xx responses: 7
Requests/sec:  27617.92

REPORT {"requests":30382,"micros":1100000,"bytes":6870000,"median":119,"p99":5980,"refused":7,"broken":2}
`

test('the report of wrk is read, with times in milliseconds and seconds', () => {
  assert.deepEqual(parseWrkOutput(OUTPUT), {
    requests: 30382,
    seconds: 1.1,
    bytes: 6870000,
    median: 0.119,
    p99: 5.98,
    refused: 7,
    broken: 2,
  })
})

test('output without a report is an error that shows it', () => {
  assert.throws(() => parseWrkOutput('unable to connect'), /no report: unable to connect/)
})
