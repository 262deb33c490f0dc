import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type RepetitionOptions, repetitionOf } from '../conformance/repetition.ts'
import type { Result } from '../conformance/run.ts'
import { openHider } from '../conformance/secret.ts'

/** Where the evidence of one registry is stored. */
export function evidenceFolder(folder: string, origin: string): string {
  return join(folder, new URL(origin).host.replaceAll(/[^A-Za-z0-9.-]/g, '_'))
}

/** The file of a request's body. @param index of the request in its case, counted from 0 */
export function evidenceBody(folder: string, id: string, index: number): string {
  return join(folder, id, `request-${index + 1}.body`)
}

/**
 * Writes a folder for each case that did not succeed, named by its id. It contains `repeat.sh`, the bodies that it sends, and the answers,
 * without secrets.
 */
export async function writeEvidence(
  folder: string,
  results: readonly Result[],
  {
    origin,
    secrets,
    ...options
  }: Omit<RepetitionOptions, 'hider' | 'bodyFile'> & { secrets: readonly string[] },
): Promise<void> {
  const hider = openHider(secrets)
  const bytesHider = openHider(secrets.map((secret) => Buffer.from(secret).toString('latin1')))
  for (const result of results) {
    if (!('exchanges' in result)) continue
    const { id } = result.case
    const bodyFile = (index: number) => evidenceBody(folder, id, index)
    const { lines, files } = repetitionOf(result.exchanges, { ...options, origin, hider, bodyFile })
    await write(join(folder, id, 'repeat.sh'), `${lines.join('\n')}\n`)
    for (const { path, bytes } of files) await write(path, bytes)
    const body = result.exchanges.at(-1)?.answer?.body
    // Each byte is one character in this text, so that all other bytes stay as they are.
    if (body !== undefined) {
      const shown = bytesHider.hide(Buffer.from(body).toString('latin1'))
      await write(join(folder, id, 'answer.body'), Buffer.from(shown, 'latin1'))
    }
  }
}

async function write(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, content)
}
