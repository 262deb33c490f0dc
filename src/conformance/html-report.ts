import type { Group } from './case.ts'
import { FILTER_SCRIPT, filterControls } from './html-filter.ts'
import { differenceOf, findingList } from './html-findings.ts'
import { STYLE } from './html-style.ts'
import { escapeMarkup } from './markup.ts'
import {
  type CaseReport,
  type Counts,
  countVerdicts,
  type ExchangeReport,
  GROUP_NAMES,
  offersNone,
  type Report,
  sectionOf,
  sectionsOf,
  VERDICTS,
  type VerdictName,
} from './summary.ts'
import { outcomeOf, verdictOf } from './terminal-report.ts'

const SYMBOLS: Readonly<Record<VerdictName, string>> = {
  passed: '✓',
  warned: '!',
  failed: '✗',
  undecided: '?',
  skipped: '»',
  unsupported: '–',
}

const MEANINGS: Readonly<Record<VerdictName, string>> = {
  passed: 'as required',
  warned: 'does not follow a SHOULD or MAY',
  failed: 'violates a MUST',
  undecided: 'no complete response, or a host that no requests are sent to',
  skipped: 'not run because a case it depends on did not pass',
  unsupported: 'the registry does not support this',
}

/**
 * Reports as one page of HTML that needs nothing else: no external resources, and a policy that allows one style sheet and one script by
 * their hashes, and nothing more. The script only filters; without it, everything can be read. Several registries are shown side by side.
 * Answers of a registry appear only as text.
 */
export async function formatHtmlReport(reports: readonly Report[]): Promise<string> {
  const style = `:root { --columns: ${reports.length}; }${STYLE}`
  const sources = `style-src '${await hashOf(style)}'; script-src '${await hashOf(FILTER_SCRIPT)}'`
  const policy = `default-src 'none'; ${sources}; base-uri 'none'; form-action 'none'`
  const verdicts = new Set(reports.flatMap(({ cases }) => cases.map(({ verdict }) => verdict)))
  const names = escapeMarkup(reports.map(({ registry }) => hostOf(registry)).join(', '))
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Conformance of ${names}</title>
<style>${style}</style>
</head>
<body>
<main${reports.length === 1 ? ' class="single"' : ''}>
<h1>Conformance to the OCI Distribution Specification</h1>
<p class="dim">${escapeMarkup(factsOf(reports))}</p>
${findingList('failed', reports)}
<div class="registries">${reports.map(registryCard).join('')}</div>
${findingList('undecided', reports)}
${findingList('warned', reports)}
<h2>By section</h2>
${legend()}
<div class="card wide">${matrix(reports)}</div>
<h2>Cases</h2>
<p class="dim">Each opens to what the specification says, what was sent and what came.</p>
${filterControls(verdicts)}
${sectionsOf(reports)
  .map((section) => sectionCard(section, reports))
  .join('\n')}
</main>
<script>${FILTER_SCRIPT}</script>
</body>
</html>
`
}

/** The style sheet's name in a policy; nothing else that is inserted could have it. */
async function hashOf(text: string): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))
  return `sha256-${btoa(String.fromCharCode(...hash))}`
}

function hostOf(registry: string): string {
  return registry.replace(/^https?:\/\//, '')
}

function factsOf(reports: readonly Report[]): string {
  const [first] = reports
  if (first === undefined) return 'No registry was tested.'
  const version = first.specification === 'dev' ? '1.1 and what is merged since' : first.specification
  const day = first.started.slice(0, 16).replace('T', ' ')
  return `Version ${version} · ${day} UTC · tested by Stowage`
}

function registryCard(report: Report): string {
  const groups = Object.entries(report.groups).map(
    ([group, counts]) =>
      `<div class="group"><b>${GROUP_NAMES[group as Group]}</b>${offersNone(counts) ? noneOffered() : bar(counts) + countList(counts)}</div>`,
  )
  const outcome = `<p class="outcome verdict ${outcomeOf(report)}">${escapeMarkup(verdictOf(report))}</p>`
  const tokens = report.tokenEndpoints.map(
    (endpoint) => `<p class="dim">Tokens came from ${escapeMarkup(endpoint)}.</p>`,
  )
  return `<section class="card registry"><h2>${escapeMarkup(report.registry)}</h2>${outcome}${groups.join('')}${tokens.join('')}</section>`
}

function noneOffered(): string {
  return '<div class="dim">none offered</div>'
}

function bar(counts: Counts): string {
  const all = Math.max(
    1,
    VERDICTS.reduce((sum, verdict) => sum + counts[verdict], 0),
  )
  let at = 0
  const parts = VERDICTS.map((verdict) => {
    const width = (counts[verdict] / all) * 100
    const part = `<rect class="${verdict}" x="${at}%" y="0" width="${width}%" height="100%"/>`
    at += width
    return width === 0 ? '' : part
  })
  return `<svg class="bar" aria-hidden="true">${parts.join('')}</svg>`
}

function countList(counts: Counts): string {
  const items = VERDICTS.filter((verdict) => counts[verdict] > 0).map(
    (verdict) => `<span class="${verdict}">${counts[verdict]} ${verdict}</span>`,
  )
  return `<div class="counts">${items.join('')}</div>`
}

function legend(): string {
  const items = VERDICTS.map(
    (verdict) =>
      `<span><b class="verdict ${verdict}">${SYMBOLS[verdict]} ${verdict}</b> ${MEANINGS[verdict]}</span>`,
  )
  return `<div class="legend">${items.join('')}</div>`
}

/** Sections by verdict for one registry, sections by registry for several. */
function matrix(reports: readonly Report[]): string {
  const [only] = reports
  const isSingle = only !== undefined && reports.length === 1
  const heads = isSingle
    ? VERDICTS.map((verdict) => `<b>${verdict}</b><small title="${verdict}">${SYMBOLS[verdict]}</small>`)
    : reports.map(({ registry }) => escapeMarkup(hostOf(registry)))
  const rows = sectionsOf(reports).map((section, index) => {
    const countsOf = ({ cases }: Report) => countVerdicts(cases.filter((each) => sectionOf(each) === section))
    const cells = isSingle ? verdictCells(countsOf(only)) : reports.map((each) => mixedCell(countsOf(each)))
    return `<tr><th scope="row"><a href="#section-${index}">${escapeMarkup(section)}</a></th>${cells.join('')}</tr>`
  })
  const head = heads.map((text) => `<th scope="col">${text}</th>`).join('')
  return `<table><thead><tr><th scope="col">section</th>${head}</tr></thead><tbody>${rows.join('')}</tbody></table>`
}

function verdictCells(counts: Counts): string[] {
  if (offersNone(counts)) return [`<td class="none-offered" colspan="${VERDICTS.length}">not offered</td>`]
  return VERDICTS.map((verdict) =>
    counts[verdict] === 0 ? '<td class="none">·</td>' : `<td class="${verdict}">${counts[verdict]}</td>`,
  )
}

function mixedCell(counts: Counts): string {
  if (offersNone(counts)) return '<td class="none-offered">not offered</td>'
  const parts = VERDICTS.filter((verdict) => counts[verdict] > 0).map(
    (verdict) =>
      `<span class="${verdict}" title="${verdict}">${SYMBOLS[verdict]}&#8239;${counts[verdict]}</span>`,
  )
  return parts.length === 0 ? '<td class="none">·</td>' : `<td>${parts.join('')}</td>`
}

function sectionCard(section: string, reports: readonly Report[]): string {
  const index = sectionsOf(reports).indexOf(section)
  const cases = new Map<string, CaseReport>()
  for (const { cases: all } of reports)
    for (const each of all) if (sectionOf(each) === section) cases.set(each.id, cases.get(each.id) ?? each)
  const names = reports.map(({ registry }) => `<span>${escapeMarkup(hostOf(registry))}</span>`).join('')
  const head = reports.length > 1 ? `<div class="row names"><span></span>${names}</div>` : ''
  const all = reports.flatMap((report) => report.cases.filter((each) => sectionOf(each) === section))
  const isAbsent = offersNone(countVerdicts(all)) && all[0]?.group === 'extensions'
  const rows = isAbsent
    ? [`<p class="absent">None of its ${cases.size} cases is about something that is offered here.</p>`]
    : [...cases.values()].map((each) => caseRow(each, reports))
  return `<section class="card section" id="section-${index}"><h3>${escapeMarkup(section)}</h3>${head}${rows.join('')}</section>`
}

function caseRow(each: CaseReport, reports: readonly Report[]): string {
  const outcomes = reports.map(({ registry, cases }) => ({
    registry,
    outcome: cases.find(({ id }) => id === each.id),
  }))
  const isSingle = reports.length === 1
  const verdicts = outcomes.map(({ registry, outcome }) => {
    if (outcome === undefined) return '<span class="verdict dim">not run</span>'
    const host = isSingle ? '' : ` <small>${escapeMarkup(hostOf(registry))}</small>`
    return `<span class="verdict ${outcome.verdict}">${SYMBOLS[outcome.verdict]} ${outcome.verdict}${host}</span>`
  })
  const answers = outcomes.map(({ registry, outcome }) =>
    outcome === undefined || outcome.verdict === 'passed'
      ? ''
      : answerBlock(outcome, isSingle ? '' : hostOf(registry)),
  )
  const version = each.version === 'dev' ? 'since 1.1, not released yet' : `version ${each.version}`
  const source = `<p class="dim">${escapeMarkup(`${each.level} · ${each.section} · ${version} · ${each.id}`)}</p>`
  const found = [...new Set(outcomes.map(({ outcome }) => outcome?.verdict ?? ''))].join(' ').trim()
  return `<details class="case" data-verdicts="${found}"><summary class="row"><span class="mark"></span><span class="title">${escapeMarkup(each.title)} <code>${escapeMarkup(each.id)}</code></span>${verdicts.join('')}</summary>
<div class="inside" id="${escapeMarkup(each.id)}">${source}<blockquote>${withCode(each.sentence)}</blockquote>${answers.join('')}</div></details>`
}

/** Text that the specification puts between backticks is shown as code here too. */
function withCode(text: string): string {
  return text
    .split('`')
    .map((part, index) => (index % 2 === 0 ? escapeMarkup(part) : `<code>${escapeMarkup(part)}</code>`))
    .join('')
}

function answerBlock(outcome: CaseReport, host: string): string {
  const name = host === '' ? '' : `<b>${escapeMarkup(host)}</b> `
  const exchange = outcome.exchange === undefined ? '' : exchangeList(outcome.exchange)
  return `<div class="answer ${outcome.verdict}"><p>${name}<span class="verdict ${outcome.verdict}">${outcome.verdict}</span></p>${differenceOf(outcome)}${exchange}</div>`
}

function exchangeList({ request, response, problem, repeat }: ExchangeReport): string {
  const came =
    response === undefined ? `nothing: ${problem ?? ''}` : messageOf(`${response.status}`, response)
  const entries = {
    Sent: messageOf(`${request.method} ${request.url}`, request),
    Came: came,
    Repeat: repeat.join('\n'),
  }
  const items = Object.entries(entries).map(
    ([name, text]) => `<dt>${name}</dt><dd><pre>${escapeMarkup(text)}</pre></dd>`,
  )
  return `<dl>${items.join('')}</dl>`
}

function messageOf(
  first: string,
  { headers, body }: { headers: Record<string, string>; body?: string },
): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return [first, ...lines, ...(body === undefined ? [] : ['', body])].join('\n')
}
