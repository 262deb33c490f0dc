import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventStream, type ServerSentEvent } from './event-stream.ts'

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  let text = ''
  for await (const chunk of chunks) text += Buffer.from(chunk)
  return text
}

test('events are written line by line, after a beginning that clients skip', async () => {
  async function* events(): AsyncGenerator<ServerSentEvent> {
    yield { id: '7', event: 'change', data: { text: 'a\nb' } }
    yield { event: 'end', data: null }
  }
  const expected = ':\n\nid: 7\nevent: change\ndata: {"text":"a\\nb"}\n\nevent: end\ndata: null\n\n'
  assert.equal(await textOf(eventStream(events())), expected)
})

test('while nothing happens, heartbeats are sent, and no event is lost or doubled', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  async function* events(): AsyncGenerator<ServerSentEvent> {
    await promise
    yield { event: 'late', data: 1 }
    yield { event: 'later', data: 2 }
  }
  const stream = eventStream(events(), 1)
  for (let beat = 0; beat < 5; beat++) assert.equal(String(Buffer.from((await stream.next()).value)), ':\n\n')
  resolve()
  const rest = (await textOf(stream)).replaceAll(':\n\n', '')
  assert.equal(rest, 'event: late\ndata: 1\n\nevent: later\ndata: 2\n\n')
})

test('what ends the stream ends the events, and what they throw is thrown', async () => {
  let isEnded = false
  async function* events(): AsyncGenerator<ServerSentEvent> {
    try {
      for (;;) yield { event: 'x', data: 0 }
    } finally {
      isEnded = true
    }
  }
  for await (const chunk of eventStream(events())) if (String(Buffer.from(chunk)).startsWith('event')) break
  assert.ok(isEnded)
  async function* failing(): AsyncGenerator<ServerSentEvent> {
    yield* []
    throw new Error('disk')
  }
  await assert.rejects(textOf(eventStream(failing())), /disk/)
})
