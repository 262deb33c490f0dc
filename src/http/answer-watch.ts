import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type AcknowledgementReader, openAcknowledgements } from './acknowledged.ts'
import { ProgressWatch } from './progress.ts'

/** Watches that the peer of an answer reads it, until it is sent. */
export type AnswerWatch = (response: ServerResponse) => void

/** On some systems a peer that reads slowly but steadily sends its acknowledgements in bursts. */
const ACKNOWLEDGED_WINDOW_MS = 120_000
/** The bytes that a socket accepted say little: the system's buffers accept megabytes at a time. */
const TAKEN_WINDOW_MS = 300_000

/**
 * Makes the watch of answers. It uses the bytes that the peer has acknowledged if the system reports them, otherwise the bytes that the
 * socket accepted over a longer time.
 */
export async function answerWatch(): Promise<AnswerWatch> {
  const acknowledged = await openAcknowledgements()
  const byAcknowledgement = new ProgressWatch(ACKNOWLEDGED_WINDOW_MS)
  const byTaking = new ProgressWatch(TAKEN_WINDOW_MS)
  return (response) => {
    const { socket } = response
    if (socket === null || response.destroyed) return
    const stop =
      acknowledged?.(socket) === undefined
        ? byTaking.add(takenBy(socket))
        : byAcknowledgement.add(acknowledgedBy(socket, acknowledged))
    response.once('close', stop)
  }
}

function acknowledgedBy(socket: Socket, read: AcknowledgementReader) {
  let bytes = 0
  return {
    progress() {
      bytes = read(socket)?.bytes ?? bytes
      return bytes
    },
    isExpected: () => socket.writableLength > 0 || read(socket)?.isBehind === true,
    cut: () => socket.destroy(),
  }
}

function takenBy(socket: Socket) {
  return {
    progress: () => socket.bytesWritten - socket.writableLength,
    isExpected: () => socket.writableLength > 0,
    cut: () => socket.destroy(),
  }
}
