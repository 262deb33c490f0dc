import { escapeMarkup } from './markup.ts'
import { type CaseReport, type Report, reasonOf, type VerdictName } from './summary.ts'

interface Finding {
  registry: string
  found: CaseReport
}

const HEADINGS = {
  failed: ['Failures', 'A MUST is broken.'],
  warned: ['Warnings', 'A SHOULD or MAY is not followed.'],
  undecided: [
    'Not decided',
    'There was no whole answer, or finding out would have sent a request to another host.',
  ],
} as const

/** All findings with one verdict, with the expected and the actual result next to each other. Each links to its case. Empty if there are none. */
export function findingList(verdict: keyof typeof HEADINGS, reports: readonly Report[]): string {
  const findings = reports.flatMap(({ registry, cases }) =>
    cases.filter((each) => each.verdict === verdict).map((found) => ({ registry, found })),
  )
  if (findings.length === 0) return ''
  const [heading, meaning] = HEADINGS[verdict]
  const items = findings.map((each) => findingItem(each, reports.length > 1)).join('')
  return `<section class="findings ${verdict}"><h2>${heading} <span class="count">${findings.length}</span></h2><p class="dim">${meaning}</p><ul class="card">${items}</ul></section>`
}

function findingItem({ registry, found }: Finding, hasOthers: boolean): string {
  const host = hasOthers ? `<b class="host">${escapeMarkup(registry.replace(/^https?:\/\//, ''))}</b> ` : ''
  const title = `<a href="#${escapeMarkup(found.id)}">${escapeMarkup(found.title)}</a>`
  return `<li><p>${host}${title} <code>${escapeMarkup(found.id)}</code></p>${differenceOf(found)}</li>`
}

/** The expected and the actual result next to each other, or the only line that exists. */
export function differenceOf(found: CaseReport): string {
  if (found.wanted === undefined || found.got === undefined)
    return `<p class="reason">${escapeMarkup(reasonOf(found))}</p>`
  return `<div class="difference">${side('wanted', found.wanted, 'passed')}${side('came', found.got, found.verdict)}</div>`
}

function side(name: string, text: string, verdict: VerdictName): string {
  return `<div class="${verdict}"><span class="dim">${name}</span> <span class="text">${escapeMarkup(text)}</span></div>`
}
