import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { gatherPieces } from './small-pieces.ts'

const SMALLEST = 4 * 1024

/** Bytes that tell where in a body they are. */
function pieceAt(offset: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (offset + index) % 251)
}

function piecesOf(lengths: readonly number[]): Uint8Array[] {
  let offset = 0
  return lengths.map((length) => {
    const piece = pieceAt(offset, length)
    offset += length
    return piece
  })
}

/** Reads a body to its end or its error. */
async function read(body: AsyncIterable<Uint8Array>): Promise<{ pieces: Uint8Array[]; error?: unknown }> {
  const pieces: Uint8Array[] = []
  try {
    for await (const piece of body) pieces.push(piece)
    return { pieces }
  } catch (error) {
    return { pieces, error }
  }
}

test('whatever the sizes of the pieces, the bytes stay in order, and what came before an error is passed on first', async () => {
  const length = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 3 * SMALLEST }))
  await fc.assert(
    fc.asyncProperty(fc.array(length, { maxLength: 60 }), fc.boolean(), async (lengths, breaks) => {
      const sent = piecesOf(lengths)
      const broken = new Error('the connection closed')
      async function* body() {
        yield* sent
        if (breaks) throw broken
      }
      const { pieces, error } = await read(gatherPieces(body()))
      assert.deepEqual(Buffer.concat(pieces), Buffer.concat(sent))
      assert.equal(error, breaks ? broken : undefined)
    }),
    { numRuns: 300 },
  )
})

test('a body in pieces of one byte arrives in pieces of 4 KiB', async () => {
  const sent = piecesOf(Array.from({ length: 3 * SMALLEST + 10 }, () => 1))
  async function* body() {
    yield* sent
  }
  const { pieces } = await read(gatherPieces(body()))
  assert.deepEqual(
    pieces.map(({ length }) => length),
    [SMALLEST, SMALLEST, SMALLEST, 10],
  )
})
