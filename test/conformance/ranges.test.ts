import { rangeCases } from '../../src/conformance/cases/specification/ranges.ts'
import type { HttpResponse } from '../../src/http/message.ts'
import { type KnownBad, testKnownBad, testKnownGood } from './blob-faults.ts'
import {
  answering,
  asking,
  hiding,
  leavingOut,
  type Matches,
  on,
  PATHS,
  refusing,
  rewriting,
  turning,
} from './faulty-registry.ts'

const GET = on('GET', PATHS.blob)

function getRange(header: string): Matches {
  return on('GET', PATHS.blob, (request) => request.header('range') === header)
}

/** Has the registry see another range. */
function misreading(header: string, as: string) {
  return asking(getRange(header), (request) => ({
    header: (name) => (name === 'range' ? as : request.header(name)),
  }))
}

function isPart({ status, headers }: HttpResponse): boolean {
  return status === 206 && headers['Content-Range'] !== undefined
}

const KNOWN_BAD: readonly KnownBad[] = [
  {
    id: 'range',
    does: 'leaves out the last byte of a range',
    fault: misreading('bytes=500-1499', 'bytes=500-1498'),
  },
  { id: 'range', does: 'refuses ranges', fault: turning(GET, 206, 416) },
  {
    id: 'range-content-range',
    does: 'does not say which range it sends',
    fault: answering(GET, (response) => {
      const { 'Content-Range': _, ...headers } = response.headers
      return isPart(response) ? { ...response, headers } : response
    }),
  },
  {
    id: 'range-content-range',
    does: 'tells the length of a range as that of the blob',
    fault: rewriting(GET, 'Content-Range', (range) => range.replace('1499/2048', '1499/1000')),
  },
  { id: 'range-open', does: 'refuses ranges without an end', fault: refusing(getRange('bytes=500-'), 400) },
  {
    id: 'range-suffix',
    does: 'takes the last bytes for the first',
    fault: misreading('bytes=-500', 'bytes=0-500'),
  },
  {
    id: 'range-clamped',
    does: 'refuses ranges that end after the blob',
    fault: refusing(getRange('bytes=2000-5000'), 416),
  },
  {
    id: 'range-beyond',
    does: 'sends nothing as a range after the blob',
    fault: turning(getRange('bytes=5000-10000'), 416, 206),
  },
  {
    id: 'range-beyond-size',
    does: 'does not tell the size with a range that it refuses',
    fault: leavingOut(getRange('bytes=5000-10000'), 'Content-Range'),
  },
  {
    id: 'range-invalid',
    does: 'turns ranges around',
    fault: misreading('bytes=500-0', 'bytes=0-500'),
  },
  {
    id: 'range-unknown-unit',
    does: 'takes every unit for bytes',
    fault: misreading('stowage-leagues=1-2', 'bytes=1-2'),
  },
  {
    id: 'range-head',
    does: 'answers HEAD with a range with 206',
    fault: turning(
      on('HEAD', PATHS.blob, (request) => request.header('range') !== undefined),
      200,
      206,
    ),
  },
  {
    id: 'range-several',
    does: 'refuses several ranges at once',
    fault: refusing(getRange('bytes=100-299,1500-1599'), 416),
  },
  {
    id: 'range-several',
    does: 'sends the first of several ranges',
    fault: misreading('bytes=100-299,1500-1599', 'bytes=100-299'),
  },
]

testKnownBad(rangeCases, KNOWN_BAD)

testKnownGood([
  { does: 'knows no ranges', fault: hiding(GET, 'range'), lacks: ['ranges'] },
  {
    does: 'ignores ranges that end before they begin',
    fault: hiding(getRange('bytes=500-0'), 'range'),
  },
  {
    does: 'sends all where several ranges are asked for',
    fault: hiding(getRange('bytes=100-299,1500-1599'), 'range'),
  },
])
