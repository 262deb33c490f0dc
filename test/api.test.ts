import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { createConfig, lintFromString } from '@redocly/openapi-core'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { makeDocument } from '../scripts/api/document.ts'
import { listEndpoints } from '../scripts/api/endpoints.ts'
import { makePage } from '../scripts/api/page.ts'
import { makeSchemas } from '../scripts/api/schemas.ts'
import { parsePath } from '../src/api/path.ts'
import { SCHEMAS } from '../src/api/schema.ts'
import { ENDPOINTS } from '../src/endpoints/endpoints.ts'
import { createRouter } from '../src/http/router.ts'
import { parseDigest } from '../src/oci/digest.ts'
import { ERRORS, type ErrorId } from '../src/oci/error.ts'
import { parseRepositoryName, parseTag } from '../src/oci/reference.ts'
import { parseRoute } from '../src/oci/route.ts'
import { EXTENSIONS } from '../src/server/request-server.ts'
import { eventMisfits, misfitOf, misfitsOf, type SentAnswer } from './api/description.ts'
import { watchAnswers } from './api/watch.ts'

const ZEROS = `sha256:${'0'.repeat(64)}`

/** Rows of the table of errors that no answer is made of yet. */
const UNUSED: ErrorId[] = []

function committed(file: string): string {
  return readFileSync(new URL(`../docs/api/${file}`, import.meta.url), 'utf8')
}

test('what docs/api holds is what the data gives', () => {
  assert.deepEqual(JSON.parse(committed('openapi.json')), makeDocument(), 'npm run api makes it anew')
  assert.equal(committed('README.md'), makePage(), 'npm run api makes it anew')
})

test('what docs/extensions/schemas holds is what the extensions have', () => {
  const folder = new URL('../docs/extensions/schemas/', import.meta.url)
  const files = readdirSync(folder).map((file) => [
    file,
    JSON.parse(readFileSync(new URL(file, folder), 'utf8')),
  ])
  assert.deepEqual(Object.fromEntries(files), makeSchemas(), 'npm run api makes it anew')
  for (const [file, schema] of files) {
    assert.doesNotThrow(
      () => new Ajv2020({ strictTypes: false }).addFormat('date-time', true).compile(schema),
      file,
    )
  }
})

test('an endpoint of an extension answers in the media types that its operation describes', () => {
  for (const { endpoints } of EXTENSIONS) {
    for (const { id, answers, mediaTypes } of endpoints) {
      if (mediaTypes === undefined) continue
      const described = Object.values(answers).flatMap(({ content = {} }) => Object.keys(content))
      assert.deepEqual([...new Set(described)].sort(), [...mediaTypes].sort(), id)
    }
  }
})

test('the linter finds nothing in the description', async () => {
  const config = await createConfig({
    extends: ['recommended-strict'],
    rules: {
      // Nobody chose a license yet.
      'info-license': 'off',
      // The specification's own endpoints end in one.
      'no-path-trailing-slash': 'off',
    },
  })
  const lint = async (source: string) => {
    const problems = await lintFromString({ source, absoluteRef: 'openapi.json', config })
    return problems.map(({ ruleId, message, location }) => `${location[0]?.pointer} ${ruleId}: ${message}`)
  }
  assert.deepEqual(await lint(committed('openapi.json')), [])
  assert.notDeepEqual(await lint(committed('openapi.json').replaceAll('"operationId"', '"operation"')), [])
})

const EXAMPLES: Readonly<Record<string, string>> = { digest: ZEROS, reference: 'v1', tag: 'v1' }

/** The methods of the endpoints that the server finds at a path of the description. */
function methodsAt(template: string): string[] {
  const path = template.replace(/\{([a-z]+)\}/g, (_, name: string) => EXAMPLES[name] ?? 'a')
  const route = parseRoute(path)
  assert.ok(route !== undefined, path)
  return [...createRouter(EXTENSIONS).methodsAt(parsePath(route, 'GET')).keys()]
}

test('each method of each endpoint that the server finds is described, and no other is', () => {
  const document = JSON.parse(committed('openapi.json')) as { paths: Record<string, object> }
  const described = Object.entries(document.paths)
    .filter(([path]) => path.startsWith('/v2/'))
    .map(([path, item]) => {
      const keys = Object.keys(item).filter((key) => key !== 'parameters' && !key.startsWith('x-'))
      return { path, methods: keys.map((key) => key.toUpperCase()) }
    })
  for (const { path, methods } of described) assert.deepEqual(methods.sort(), methodsAt(path).sort(), path)
  const endpoints = [
    ...Object.values(ENDPOINTS),
    ...EXTENSIONS.map((extension) => extension.endpoints),
  ].flat()
  const operations = described.flatMap(({ path, methods }) => methods.map((method) => `${method} ${path}`))
  const withoutHead = operations.filter((text) => !text.startsWith('HEAD '))
  assert.ok(endpoints.length > 20)
  assert.equal(withoutHead.length, endpoints.length)
  const page = committed('README.md')
  for (const operation of withoutHead) assert.ok(page.includes(`\n### ${operation}\n`), operation)
})

test('each operation has its own name, and a section of a specification unless it is a probe', () => {
  const endpoints = listEndpoints()
  const operations = endpoints.flatMap(({ operations }) => operations.map(([, operation]) => operation))
  assert.equal(new Set(operations.map(({ id }) => id)).size, operations.length)
  for (const { group, operations } of endpoints) {
    for (const [, { id, section }] of operations) assert.equal(section === undefined, group === 'Probes', id)
  }
})

test('each error of the table is described somewhere', () => {
  const text = committed('openapi.json')
  const absent = (Object.keys(ERRORS) as ErrorId[]).filter((id) => !text.includes(ERRORS[id].message))
  assert.deepEqual(absent, UNUSED)
})

test('the grammars of the description are those of the parsers', () => {
  const texts = [
    ...['', 'a', 'app', 'a/b', 'a//b', '/a', 'a/', 'A', 'a.b', 'a..b', 'a__b', 'a___b', 'a--b', '-a', 'a-'],
    ...['latest', '_x', '.x', 'v1.0', 'V_1', 'a:b', 'a b', 'a\n', 'é', 'a'.repeat(128), 'a'.repeat(129)],
    ...['a'.repeat(255), 'a'.repeat(256), ZEROS, `${ZEROS}0`, ZEROS.slice(0, -1), ZEROS.toUpperCase()],
    ...[`sha512:${'0'.repeat(128)}`, `blake3:${'f'.repeat(64)}`, `sha256:${'F'.repeat(64)}`, 'md5:0', 'md5:'],
    ...[
      'sha256+b64:A=_-',
      'sha2567:0',
      'a+:0',
      ':0',
      'x:0\n',
      `x:${'0'.repeat(253)}`,
      `x:${'0'.repeat(254)}`,
    ],
  ]
  for (const [schema, parse] of [
    [SCHEMAS.RepositoryName, parseRepositoryName],
    [SCHEMAS.Tag, parseTag],
    [SCHEMAS.Digest, parseDigest],
  ] as const) {
    const fitting = texts.filter((text) => misfitOf(schema, text) === undefined)
    assert.ok(fitting.length > 3)
    assert.deepEqual(
      fitting,
      texts.filter((text) => parse(text) !== undefined),
    )
  }
})

const COMMON = {
  'cache-control': 'no-cache',
  'cross-origin-resource-policy': 'same-origin',
  'docker-distribution-api-version': 'registry/2.0',
  'x-content-type-options': 'nosniff',
  'x-request-id': 'r-1',
}

function tagList(changes: Partial<SentAnswer> = {}): SentAnswer {
  const body = Buffer.from('{"name":"a/b","tags":["v1"]}')
  const headers = { ...COMMON, 'content-type': 'application/json', 'content-length': `${body.length}` }
  return { method: 'GET', target: '/v2/a/b/tags/list?n=1', status: 200, headers, body, ...changes }
}

function refusal(
  status: number,
  [code, reason]: readonly [string, ErrorId],
  changes: Partial<SentAnswer> = {},
): SentAnswer {
  const error = { code, message: 'no', detail: { reason, requestId: 'r-1' } }
  const body = Buffer.from(JSON.stringify({ errors: [error] }))
  return tagList({
    status,
    body,
    headers: { ...tagList().headers, 'content-length': `${body.length}` },
    ...changes,
  })
}

test('an answer as it is described is found to fit', () => {
  const { headers } = tagList()
  const none = Buffer.alloc(0)
  for (const sent of [
    tagList(),
    tagList({ headers: { ...headers, date: 'now', link: '</v2/a/b/tags/list?last=v1&n=1>; rel="next"' } }),
    tagList({ method: 'HEAD', body: none }),
    tagList({ target: 'http://registry.test/v2/a%2Eb/tags/list' }),
    tagList({ body: undefined }),
    refusal(404, ['NAME_UNKNOWN', 'NAME_UNKNOWN']),
    refusal(404, ['UNSUPPORTED', 'ROUTE_UNKNOWN'], { target: '/v2/a/b' }),
    refusal(404, ['EXTENSION_UNKNOWN', 'EXTENSION_UNKNOWN'], { target: '/v2/a/_x/y/z' }),
    refusal(405, ['UNSUPPORTED', 'METHOD_UNSUPPORTED'], {
      method: 'PUT',
      headers: { ...headers, allow: 'GET, HEAD' },
    }),
  ]) {
    assert.deepEqual(misfitsOf(sent), [])
  }
})

test('an answer that is not as it is described is found, whatever differs', () => {
  const { headers } = tagList()
  const { 'content-type': _, ...withoutType } = headers
  const { 'x-content-type-options': __, ...withoutCommon } = headers
  for (const [sent, problem] of [
    [tagList({ status: 202 }), /is none of 200,/],
    [tagList({ status: 405 }), /is none of 200,/],
    [tagList({ headers: withoutCommon }), /lacks the header x-content-type-options/],
    [tagList({ headers: { ...headers, 'x-powered-by': 'x' } }), /has the header x-powered-by/],
    [tagList({ headers: { ...headers, etag: `"${ZEROS}"` } }), /has the header etag/],
    [tagList({ headers: { ...headers, link: 'next' } }), /has link: next/],
    [tagList({ headers: { ...headers, 'content-length': '-1' } }), /has content-length: -1/],
    [tagList({ headers: { ...headers, 'content-type': 'text/html' } }), /has the type text\/html/],
    [tagList({ headers: withoutType }), /lacks a Content-Type/],
    [tagList({ body: Buffer.from('{"name":"a/b","tags":null}') }), /tags must be array/],
    [tagList({ body: Buffer.from('{"name":"a/b","tags":[],"x":1}') }), /must NOT have additional properties/],
    [tagList({ body: Buffer.from('{"name":"a/b","tags":["-"]}') }), /must match pattern/],
    [tagList({ body: Buffer.from('{') }), /is not JSON/],
    [tagList({ method: 'HEAD' }), /has a body/],
    [refusal(404, ['BLOB_UNKNOWN', 'BLOB_UNKNOWN']), /must be equal to one of the allowed values/],
    [
      refusal(404, ['NAME_UNKNOWN', 'NAME_UNKNOWN'], { target: '/v2/a/b' }),
      /must be equal to one of the allowed values/,
    ],
    [refusal(405, ['UNSUPPORTED', 'METHOD_UNSUPPORTED'], { method: 'PUT' }), /lacks the header allow/],
    [
      refusal(405, ['UNSUPPORTED', 'METHOD_UNSUPPORTED'], {
        method: 'PUT',
        headers: { ...headers, allow: 'GET' },
      }),
      /allow: GET, .*must be equal to constant/,
    ],
    [
      tagList({ method: 'DELETE', target: `/v2/a/blobs/${ZEROS}`, status: 202 }),
      /lacks the header docker-content-digest.*\n.*has a body of application\/json/,
    ],
  ] as const) {
    assert.match(misfitsOf(sent).join('\n'), problem)
  }
})

test('each complete event of a stream is compared with the schema of its data', () => {
  const misfits = (text: string) => eventMisfits(SCHEMAS.TagList, Buffer.from(text)).join('\n')
  const good = 'id: 1\nevent: change\ndata: {"name":"a","tags":[]}\n\n'
  assert.equal(misfits(`:\n\n${good}:\n\n${good}id: 3\nevent: cha`), '')
  assert.match(misfits(`${good}event: change\ndata: {"name":"a"}\n\n`), /must have required property 'tags'/)
  assert.match(misfits(`${good}event: change\ndata: {\n\n`), /is not JSON/)
  assert.match(misfits(`${good}event: change\n\n`), /has the event event: change/)
})

test('a watched server that sends an undescribed response fails its test', async (t) => {
  const server = createServer((request, response) => {
    response.writeHead(200, { ...COMMON, 'Content-Type': 'application/json', 'Content-Length': '2' })
    response.write(Buffer.from(request.url === '/v2/' ? '{' : '['))
    response.end(Buffer.from(request.url === '/v2/' ? '}' : ']'))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  t.after(() => server.close().closeAllConnections())
  const hooks: (() => void)[] = []
  watchAnswers({ after: (hook) => void hooks.push(hook as () => void) }, url)
  await (await fetch(`${url}/v2/`)).text()
  hooks[0]?.()
  const assertAll = hooks[1]
  assert.ok(assertAll !== undefined)
  assertAll()
  await (await fetch(`${url}/v2/_catalog`)).text()
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
  assert.throws(assertAll, /GET \/v2\/_catalog 200: has the body \[\]/)
})
