import { askForBlob } from '../../blob.ts'
import type { Case } from '../../case.ts'
import type { ProbeAnswer } from '../../exchange.ts'
import { Failure, NotSupported } from '../../outcome.ts'
import { type Probe, randomContent, requireHeader, wantBody, wantHeader, wantStatus } from '../../probe.ts'
import { pushBlob } from '../../upload.ts'

const RANGE_CASE = {
  group: 'specification',
  level: 'SHOULD',
  version: '1.1',
  section: 'Pulling blobs',
  sentence: 'A registry SHOULD support the `Range` request header in accordance with RFC 9110 (section 14).',
  feature: 'ranges',
} as const

const SIZE = 2048

/** Pushes a blob and asks for a range of it. */
async function askForRange(probe: Probe, range: string, method: 'GET' | 'HEAD' = 'GET') {
  const bytes = randomContent(SIZE)
  const digest = await pushBlob(probe, bytes)
  const answer = await askForBlob(probe, digest, { method, headers: { Range: range } })
  return { bytes, answer }
}

/** The same, of a registry that may leave out ranges by answering with all of it. */
async function askForPart(probe: Probe, range: string) {
  const asked = await askForRange(probe, range)
  if (asked.answer.status === 200) throw new NotSupported('the response to a range is the whole blob')
  return asked
}

async function wantRange(probe: Probe, range: string, [start, end]: [number, number]): Promise<void> {
  const { bytes, answer } = await askForPart(probe, range)
  wantStatus(answer, 206)
  wantBody(answer, bytes.subarray(start, end + 1))
}

/** One character for each byte, so that bytes can be found in others. */
function characters(bytes: Uint8Array): string {
  return new TextDecoder('latin1').decode(bytes)
}

/** Fails unless each part of several is there, after a head that tells which it is. */
function wantParts(answer: ProbeAnswer, bytes: Uint8Array, ranges: readonly [number, number][]): void {
  const type = requireHeader(answer, 'Content-Type')
  if (!/^multipart\/byteranges\s*;.*boundary=/i.test(type))
    throw new Failure('a Content-Type of multipart/byteranges with a boundary', type)
  const body = characters(answer.body)
  for (const [start, end] of ranges) {
    const head = body.indexOf(`bytes ${start}-${end}/`)
    const part = body.indexOf(characters(bytes.subarray(start, end + 1)))
    if (head === -1 || part < head)
      throw new Failure(`a part with the bytes ${start} to ${end}`, `a body of ${body.length} bytes without`)
  }
}

/** Cases of pulling parts of blobs. */
export const rangeCases: readonly Case[] = [
  {
    ...RANGE_CASE,
    id: 'range',
    title: 'a range from one byte to another can be pulled',
    needs: ['blob-pull'],
    run: (probe) => wantRange(probe, 'bytes=500-1499', [500, 1499]),
  },
  {
    ...RANGE_CASE,
    id: 'range-content-range',
    title: 'the headers of a partial response describe the range',
    needs: ['range'],
    async run(probe) {
      const { answer } = await askForPart(probe, 'bytes=500-1499')
      const found = requireHeader(answer, 'Content-Range')
      const wanted = `bytes 500-1499/${SIZE}`
      if (found !== wanted && found !== 'bytes 500-1499/*')
        throw new Failure(`Content-Range: ${wanted}`, `Content-Range: ${found}`)
      wantHeader(answer, 'Content-Length', '1000')
    },
  },
  {
    ...RANGE_CASE,
    id: 'range-open',
    title: 'a range from one byte to the end can be pulled',
    needs: ['range'],
    run: (probe) => wantRange(probe, 'bytes=500-', [500, SIZE - 1]),
  },
  {
    ...RANGE_CASE,
    id: 'range-suffix',
    title: 'a number of last bytes can be pulled',
    needs: ['range'],
    run: (probe) => wantRange(probe, 'bytes=-500', [SIZE - 500, SIZE - 1]),
  },
  {
    ...RANGE_CASE,
    id: 'range-clamped',
    title: 'a range that ends after the end of the blob returns the bytes up to the end',
    needs: ['range'],
    run: (probe) => wantRange(probe, 'bytes=2000-5000', [2000, SIZE - 1]),
  },
  {
    ...RANGE_CASE,
    id: 'range-beyond',
    title: 'a range that starts after the end of the blob is rejected',
    needs: ['range'],
    async run(probe) {
      wantStatus((await askForPart(probe, 'bytes=5000-10000')).answer, 416)
    },
  },
  {
    ...RANGE_CASE,
    id: 'range-beyond-size',
    title: 'the response to a rejected range has the size of the blob',
    needs: ['range-beyond'],
    async run(probe) {
      wantHeader((await askForPart(probe, 'bytes=5000-10000')).answer, 'Content-Range', `bytes */${SIZE}`)
    },
  },
  {
    ...RANGE_CASE,
    id: 'range-invalid',
    title: 'a range that ends before it starts is ignored or rejected',
    needs: ['range'],
    async run(probe) {
      const { bytes, answer } = await askForRange(probe, 'bytes=500-0')
      wantStatus(answer, 200, 400, 416)
      if (answer.status === 200) wantBody(answer, bytes)
    },
  },
  {
    ...RANGE_CASE,
    id: 'range-unknown-unit',
    title: 'a range in an unknown unit is ignored',
    needs: ['blob-pull'],
    async run(probe) {
      const { bytes, answer } = await askForRange(probe, 'stowage-leagues=1-2')
      wantStatus(answer, 200)
      wantBody(answer, bytes)
    },
  },
  {
    ...RANGE_CASE,
    id: 'range-head',
    title: 'a range is ignored in a HEAD request',
    needs: ['blob-head'],
    async run(probe) {
      wantStatus((await askForRange(probe, 'bytes=500-1499', 'HEAD')).answer, 200)
    },
  },
  {
    ...RANGE_CASE,
    id: 'range-several',
    title: 'a request for several ranges returns them, or the whole blob',
    needs: ['range'],
    async run(probe) {
      const { bytes, answer } = await askForRange(probe, 'bytes=100-299,1500-1599')
      wantStatus(answer, 200, 206)
      if (answer.status === 200) return wantBody(answer, bytes)
      wantParts(answer, bytes, [
        [100, 299],
        [1500, 1599],
      ])
    },
  },
]
