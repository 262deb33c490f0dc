import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { endpointPath } from '../src/api/extension.ts'
import { wholeOperation } from '../src/api/whole-operation.ts'
import { ociExtension } from '../src/extensions/oci.ts'
import { stowageExtension } from '../src/extensions/stowage/stowage.ts'
import { ERRORS } from '../src/oci/error.ts'
import { parseRoute } from '../src/oci/route.ts'
import { assertPromised, readExamples, sendExample } from './pages/example.ts'
import { fillTeamRegistry } from './pages/team-registry.ts'
import { startStowage } from './stowage.ts'

const FOLDER = new URL('../docs/extensions/', import.meta.url)
const PAGES = readdirSync(FOLDER).filter((file) => file.endsWith('.md'))

function read(page: string): string {
  return readFileSync(new URL(page, FOLDER), 'utf8')
}

for (const page of PAGES) {
  test(`what ${page} shows is what a registry answers`, async (t) => {
    const { url } = await startStowage(t, { draftExtensions: page === 'drafts.md' })
    const memory = { digests: await fillTeamRegistry(url) }
    const examples = readExamples(page, read(page))
    assert.ok(examples.length > 0)
    for (const example of examples) await assertPromised(example, await sendExample(url, example, memory))
  })
}

test('each of our endpoints has a page that describes its parameters and errors, and shows a response', () => {
  assert.ok(stowageExtension.endpoints.length > 2)
  const ours = stowageExtension.endpoints.map((endpoint) => ({ extension: stowageExtension, endpoint }))
  const drafts = ociExtension.endpoints.map((endpoint) => ({ extension: ociExtension, endpoint }))
  for (const { extension, endpoint } of [...ours, ...drafts.filter((one) => one.endpoint.draft)]) {
    const { section, query = {}, method, route, draft } = endpoint
    const page = draft ? 'drafts.md' : (section?.url.replace('../extensions/', '') ?? '')
    const text = read(page)
    const path = endpointPath(extension, endpoint)
    const level = route === 'registryExtension' ? '/v2/' : '/v2/<name>/'
    assert.ok(
      text.includes(`\`${method} ${level}${path}\``),
      `${page} does not name ${method} ${level}${path}`,
    )
    for (const name of Object.keys(query)) {
      assert.match(text, new RegExp(`\`${name}=?`), `${page} does not tell of ${name}`)
    }
    for (const error of wholeOperation(endpoint).errors) {
      const { status, code } = ERRORS[error]
      assert.match(
        text,
        new RegExp(`^\\| ${status} \\| \`${code}\` \\|`, 'm'),
        `${page} does not tell of ${error}`,
      )
    }
    const shown = readExamples(page, text).filter((example) => {
      const shown = parseRoute(example.target.split('?', 1)[0] ?? '')
      const isHere = shown?.id === route && example.target.includes(path.replace('<tag>', ''))
      return isHere && example.method === method && example.answer.status < 300
    })
    assert.ok(shown.length > 0, `${page} shows no ${method} ${level}${path}`)
  }
})

test('each form of an answer is led to from a page', () => {
  const all = PAGES.map(read).join('\n')
  for (const name of Object.keys({ ...stowageExtension.schemas, ...ociExtension.schemas })) {
    assert.ok(all.includes(`](schemas/${name}.json)`), `no page leads to the form ${name}`)
  }
})

test('pages lead only to files that are there', () => {
  for (const page of PAGES) {
    for (const [, target = ''] of read(page).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
      assert.doesNotThrow(() => readFileSync(new URL(target, FOLDER)), `${page} leads to ${target}`)
    }
  }
})
