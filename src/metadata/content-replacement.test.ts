import assert from 'node:assert/strict'
import { test } from 'node:test'
import { replaceContent } from './content-replacement.ts'

test('the new location of content counts, except that bytes in the metadata store stay there', () => {
  const bytes = Buffer.from('x')
  const cases = [
    [undefined, { key: 'a' }, { action: 'insert' }],
    [{ key: 'a' }, { key: 'a' }, { action: 'keep' }],
    [{ key: 'a' }, { key: 'b' }, { action: 'move', discarded: 'a' }],
    [{ key: 'a' }, { bytes }, { action: 'move', discarded: 'a' }],
    [{ key: null }, { key: 'b' }, { action: 'keep-inline', discarded: 'b' }],
    [{ key: null }, { bytes }, { action: 'heal', bytes }],
  ] as const
  for (const [found, content, expected] of cases) assert.deepEqual(replaceContent(found, content), expected)
})
