import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import type { Case } from '../../src/conformance/case.ts'
import { FILTER_SCRIPT } from '../../src/conformance/html-filter.ts'
import { formatHtmlReport } from '../../src/conformance/html-report.ts'
import { formatJsonReport } from '../../src/conformance/json-report.ts'
import { formatJunitReport } from '../../src/conformance/junit-report.ts'
import type { Result, Verdict } from '../../src/conformance/run.ts'
import { makeReport, type Report } from '../../src/conformance/summary.ts'
import {
  formatDetails,
  formatLine,
  formatSummary,
  formatTable,
} from '../../src/conformance/terminal-report.ts'

/** Text of a registry that would do harm wherever it isn't treated as text. */
const MARKUP = `</pre><script>alert(1)</script><img src=x onerror="alert(2)">'"&]]>`
const EVIL = `${MARKUP}\u001b[2J\u0000\u202e\u200b\u061c\u2060\ufeff\u00ad\u{e0041}\u2028\ud800\ufffe`
const PASSWORD = 'correct horse'

function makeCase(id: string, fields: Partial<Case> = {}): Case {
  return {
    id,
    title: `title of ${id}`,
    group: 'specification',
    level: 'MUST',
    version: '1.0',
    section: 'Pulling blobs',
    sentence: 'It MUST be `200 OK`.',
    run: async () => {},
    ...fields,
  }
}

function result(each: Case, verdict: Verdict): Result {
  return { ...verdict, case: each, milliseconds: 12.3 }
}

const EXCHANGE = {
  request: {
    method: 'PUT',
    target: '/v2/a/blobs/x',
    url: `http://127.0.0.1:1/v2/a?${EVIL}`,
    headers: { Authorization: 'Bearer of-the-case', 'Content-Type': 'text/plain' },
    body: new TextEncoder().encode("it's short"),
  },
  answer: {
    status: 500,
    headers: new Headers({ 'x-evil': `<b>"'& ${PASSWORD}`, 'set-cookie': 'session=1' }),
    body: new TextEncoder().encode(`${EVIL} ${PASSWORD}`),
  },
}

function oneOfEach(registry = 'http://127.0.0.1:1'): Report {
  return makeReport({
    registry,
    specification: '1.1',
    started: new Date('2026-11-20T10:00:00Z'),
    milliseconds: 100,
    secrets: [PASSWORD],
    results: [
      result(makeCase('good'), { verdict: 'passed' }),
      result(makeCase('bad', { title: MARKUP, sentence: MARKUP, section: MARKUP }), {
        verdict: 'failed',
        message: `wanted 200; got ${EVIL} ${PASSWORD}`,
        wanted: EVIL,
        got: EVIL,
        exchanges: [EXCHANGE],
      }),
      result(makeCase('odd', { level: 'SHOULD' }), {
        verdict: 'warned',
        message: 'wanted more',
        exchanges: [],
      }),
      result(makeCase('absent'), { verdict: 'unsupported', message: EVIL }),
      result(makeCase('cut'), {
        verdict: 'undecided',
        message: 'the connection was reset',
        exchanges: [{ request: EXCHANGE.request, problem: 'the connection was reset' }],
      }),
      result(makeCase('later'), { verdict: 'skipped', because: 'bad' }),
      result(makeCase('attack', { group: 'hostile' }), {
        verdict: 'failed',
        message: 'fell over',
        exchanges: [],
      }),
    ],
  })
}

interface Tag {
  name: string
  attributes: Map<string, string>
}

const VOID = ['meta', 'rect', 'input']

/** Reads tags strictly: all quoted, all closed, in order. Throws on anything else. */
function parseTags(text: string): Tag[] {
  const open: string[] = []
  const tags: Tag[] = []
  const body = text
    .replace(/^<(?:\?xml[^>]*\?|!doctype html)>/, '')
    .replace(/<style>[^<]*<\/style>/, '')
    .replace(`<script>${FILTER_SCRIPT}</script>`, '')
  const rest = body.replace(
    /<(\/?)([a-z0-9]+)((?: [a-z-]+="[^"<>]*")*)(\/?)>/g,
    (_, close, name, list, self) => {
      if (close) assert.equal(open.pop(), name)
      else {
        const attributes = [...list.matchAll(/ ([a-z-]+)="([^"]*)"/g)].map(
          (each) => [each[1], each[2]] as const,
        )
        tags.push({ name, attributes: new Map(attributes) })
        if (!self && !VOID.includes(name)) open.push(name)
      }
      return ''
    },
  )
  assert.deepEqual(open, [])
  assert.doesNotMatch(rest, /[<>]/)
  assert.doesNotMatch(text.replace(FILTER_SCRIPT, '').replace(/&(?:amp|lt|gt|quot|#39|#96|#8239);/g, ''), /&/)
  return tags
}

test('verdicts are counted by group, and only the specification’s own decide about conformance', () => {
  const report = oneOfEach()
  assert.deepEqual(report.groups, {
    specification: { passed: 1, warned: 1, failed: 1, undecided: 1, skipped: 1, unsupported: 1 },
    hostile: { passed: 0, warned: 0, failed: 1, undecided: 0, skipped: 0, unsupported: 0 },
  })
  assert.equal(report.conforms, false)
  const hostileOnly = makeReport({
    ...{ registry: 'http://127.0.0.1:1', specification: '1.1', started: new Date(), milliseconds: 1 },
    secrets: [],
    results: [
      result(makeCase('good'), { verdict: 'passed' }),
      result(makeCase('attack', { group: 'hostile' }), {
        verdict: 'failed',
        message: 'fell over',
        exchanges: [],
      }),
    ],
  })
  assert.equal(hostileOnly.conforms, true)
})

test('the JSON report has the request, the response and a command that repeats it, without credentials', () => {
  const text = formatJsonReport([oneOfEach()])
  const { format, registries } = JSON.parse(text)
  assert.equal(format, 2)
  const bad = registries[0].cases[1]
  assert.equal(bad.exchange.request.headers.Authorization, '(not shown)')
  assert.equal(bad.exchange.request.body, "it's short")
  assert.equal(bad.exchange.response.status, 500)
  assert.match(
    bad.exchange.repeat[0],
    /^curl -sS -g --path-as-is -i -X PUT -H 'Content-Type: text\/plain' -H Expect: --data-binary 'it'\\''s short' '/,
  )
  assert.equal(registries[0].cases[5].because, 'bad')
  assert.doesNotMatch(text, /correct horse|of-the-case|session=1/)
})

test('no report has characters that would do something to a terminal', async () => {
  const reports = [oneOfEach()]
  const texts = [
    formatTable(oneOfEach()),
    formatJsonReport(reports),
    ...oneOfEach().cases.flatMap((each) => [formatLine(each), formatDetails(each)]),
    formatSummary(oneOfEach()),
    formatJunitReport(reports),
    await formatHtmlReport(reports),
  ]
  for (const text of texts) {
    assert.doesNotMatch(
      text,
      /[^\P{Cc}\n]|[\u2028\ufffe]|\p{Cf}|\p{Surrogate}|\p{Default_Ignorable_Code_Point}/u,
    )
  }
})

test('the JUnit report is XML that distinguishes the verdicts', () => {
  const text = formatJunitReport([oneOfEach()])
  const tags = parseTags(text)
  const suites = tags.filter(({ name }) => name === 'testsuite').map(({ attributes }) => attributes)
  assert.deepEqual(
    suites.map((each) => [each.get('tests'), each.get('failures'), each.get('skipped')]),
    [
      ['6', '1', '3'],
      ['1', '1', '0'],
    ],
  )
  const verdicts = tags
    .filter(({ name }) => name === 'property')
    .map(({ attributes }) => attributes.get('value'))
  assert.deepEqual(verdicts, ['passed', 'failed', 'warned', 'unsupported', 'undecided', 'skipped', 'failed'])
  const skipped = tags
    .filter(({ name }) => name === 'skipped')
    .map(({ attributes }) => attributes.get('message'))
  assert.match(skipped[0] ?? '', /^warned: wanted more/)
  assert.match(skipped[1] ?? '', /^unsupported: /)
  assert.equal(skipped[2], 'skipped: needs bad, which did not pass')
  assert.doesNotMatch(text, /correct horse|of-the-case/)
})

for (const count of [1, 3]) {
  test(`the HTML report of ${count} has nothing that a registry could make run or load`, async () => {
    const hosts = Array.from({ length: count }, (_, index) => `http://127.0.0.1:${index + 1}`)
    const text = await formatHtmlReport(hosts.map(oneOfEach))
    const tags = parseTags(text)
    const names = new Set(tags.map(({ name }) => name))
    for (const name of ['script', 'img', 'iframe', 'link', 'form', 'base', 'object'])
      assert.ok(!names.has(name), name)
    for (const { name, attributes } of tags) {
      for (const [key, value] of attributes) {
        assert.ok(!/^on|^style$|^src/.test(key), `${name} ${key}`)
        if (key === 'href') assert.match(value, /^#/)
      }
    }
    const style = /<style>([^<]*)<\/style>/.exec(text)?.[1] ?? ''
    assert.doesNotMatch(style, /url\(|@import/)
    const policy = tags.find(({ attributes }) => attributes.get('http-equiv') === 'Content-Security-Policy')
    const hashOf = (content: string) => `'sha256-${createHash('sha256').update(content).digest('base64')}'`
    assert.equal(
      policy?.attributes.get('content'),
      `default-src 'none'; style-src ${hashOf(style)}; script-src ${hashOf(FILTER_SCRIPT)}; base-uri 'none'; form-action 'none'`,
    )
    for (const verdict of ['passed', 'warned', 'failed', 'undecided', 'skipped', 'unsupported'])
      assert.ok(text.includes(`<span class="verdict ${verdict}">`), verdict)
    assert.doesNotMatch(text, /correct horse|of-the-case/)
  })
}

test('the HTML report shows failures first, with expected and actual values, and warnings separately', async () => {
  const text = await formatHtmlReport([oneOfEach()])
  const places = [
    '<h2>Failures',
    '<div class="registries">',
    '<h2>Not decided',
    '<h2>Warnings',
    '<h2>By section',
  ]
  const found = places.map((place) => text.indexOf(place))
  assert.deepEqual(
    found,
    [...found].sort((one, other) => one - other),
  )
  assert.ok(found.every((place) => place > 0))
  const failures = text.slice(found[0], found[1])
  assert.match(failures, /class="difference">.*wanted<.*came</s)
  assert.match(failures, /#bad/)
  assert.match(failures, /#attack/)
  assert.doesNotMatch(failures, /#odd/)
})

test('extensions that a registry does not offer take one line, and rows if another registry offers them', async () => {
  const extensions = (registry: string, verdict: Verdict) =>
    makeReport({
      ...{ registry, specification: '1.1', started: new Date(), milliseconds: 1, secrets: [] },
      results: ['one', 'two', 'three'].map((id) => result(makeCase(id, { group: 'extensions' }), verdict)),
    })
  const without = extensions('http://127.0.0.1:1', { verdict: 'unsupported', message: 'status 404' })
  const having = extensions('http://127.0.0.1:2', { verdict: 'passed' })
  const alone = await formatHtmlReport([without])
  assert.match(alone, /None of its 3 cases is about something that is offered here/)
  assert.doesNotMatch(alone, /3 unsupported|class="case"/)
  assert.match(formatSummary(without), /Extensions: none offered/)
  const both = await formatHtmlReport([having, without])
  assert.equal([...both.matchAll(/class="case"/g)].length, 3)
})

test('the terminal shows the case, the sentence, the exchange and the curl command', () => {
  const [, bad, , , , later] = oneOfEach().cases
  assert.ok(bad !== undefined && later !== undefined)
  const text = formatDetails(bad)
  for (const part of ['failed bad:', 'wanted 200', 'sent PUT http', 'came 500', 'repeat curl', "it's short"])
    assert.ok(text.includes(part), part)
  assert.equal(formatLine(later), 'skipped     later: title of later (needs bad, which did not pass)')
  assert.match(
    formatSummary(oneOfEach()),
    /1 requirement of 1\.1 not met\n {2}Specification: 1 passed, 1 warned, 1 failed, 1 undecided/,
  )
})
