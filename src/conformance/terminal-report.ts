import {
  type CaseReport,
  type Counts,
  countVerdicts,
  type ExchangeReport,
  GROUP_NAMES,
  offersNone,
  type Report,
  reasonOf,
  sectionOf,
  sectionsOf,
  VERDICTS,
  type VerdictName,
} from './summary.ts'

/** Gives text a colour, or leaves it as it is. */
export type Paint = (text: string, colour: VerdictName | 'dim' | 'bold') => string

const CODES: Readonly<Record<VerdictName | 'dim' | 'bold', number>> = {
  passed: 32,
  warned: 33,
  failed: 31,
  undecided: 36,
  skipped: 35,
  unsupported: 90,
  dim: 2,
  bold: 1,
}

/** For terminals. */
export const paintAnsi: Paint = (text, colour) => `\u001b[${CODES[colour]}m${text}\u001b[0m`

/** For files, pipes, and users who do not want colour. */
export const paintNothing: Paint = (text) => text

/** One case in one line. */
export function formatLine(each: CaseReport, paint: Paint = paintNothing): string {
  const why = each.verdict === 'passed' ? '' : paint(` (${reasonOf(each)})`, 'dim')
  return `${paint(each.verdict.padEnd(11), each.verdict)} ${each.id}: ${each.title}${why}`
}

/** The number of cases for each section and verdict. */
export function formatTable(report: Report, paint: Paint = paintNothing): string {
  const sections = sectionsOf([report])
  const width = Math.max(...sections.map(({ length }) => length), 'section'.length)
  const head = ['section'.padEnd(width), ...VERDICTS.map((verdict) => verdict.padStart(11))].join(' ')
  const rows = sections.map((section) => {
    const counts = countVerdicts(report.cases.filter((each) => sectionOf(each) === section))
    const cells = VERDICTS.map((verdict) => formatCell(counts[verdict], verdict, paint))
    return [section.padEnd(width), ...cells].join(' ')
  })
  return [paint(report.registry, 'bold'), paint(head, 'dim'), ...rows].join('\n')
}

function formatCell(count: number, verdict: VerdictName, paint: Paint): string {
  return count === 0 ? paint('·'.padStart(11), 'dim') : paint(String(count).padStart(11), verdict)
}

/** All information about why a case did not pass. */
export function formatDetails(each: CaseReport, paint: Paint = paintNothing): string {
  const level = `${each.level}, ${GROUP_NAMES[each.group]}: ${each.section}`
  return [
    `${paint(each.verdict, each.verdict)} ${paint(each.id, 'bold')}: ${each.title}`,
    `  ${reasonOf(each)}`,
    `  ${paint(`${level}:`, 'dim')} ${each.sentence}`,
    ...(each.exchange === undefined ? [] : formatExchange(each.exchange, paint)),
  ].join('\n')
}

function formatExchange({ request, response, problem, repeat }: ExchangeReport, paint: Paint): string[] {
  return [
    ...block('sent', `${request.method} ${request.url}`, request, paint),
    ...(response === undefined
      ? [`  ${paint('came', 'dim')} nothing: ${problem}`]
      : block('came', String(response.status), response, paint)),
    ...(repeat.length === 1
      ? [`  ${paint('repeat', 'dim')} ${repeat[0]}`]
      : [`  ${paint('repeat', 'dim')} by all of`, ...repeat.map((line) => `    ${line}`)]),
  ]
}

function block(
  name: string,
  first: string,
  { headers, body }: { headers: Record<string, string>; body?: string },
  paint: Paint,
): string[] {
  const lines = Object.entries(headers).map(([header, value]) => `    ${header}: ${value}`)
  const text = body === undefined ? [] : ['', ...body.split('\n').map((each) => `    ${each}`)]
  return [`  ${paint(name, 'dim')} ${first}`, ...lines, ...text]
}

/** The summary, in a line for each group. */
export function formatSummary(report: Report, paint: Paint = paintNothing): string {
  const groups = Object.entries(report.groups).map(
    ([group, counts]) =>
      `  ${GROUP_NAMES[group as keyof typeof GROUP_NAMES]}: ${offersNone(counts) ? paint('none offered', 'dim') : formatCounts(counts, paint)}`,
  )
  const verdict = verdictOf(report)
  return [`${report.registry}: ${paint(verdict, outcomeOf(report))}`, ...groups].join('\n')
}

/** The verdict on all of the specification. */
export function outcomeOf({ conforms, groups }: Report): 'passed' | 'failed' | 'undecided' {
  if (conforms) return 'passed'
  return groups.specification?.failed === 0 ? 'undecided' : 'failed'
}

/** Whether it conforms, in words that claim no more than was tested. */
export function verdictOf({ conforms, groups, specification }: Report): string {
  if (groups.specification === undefined) return 'no case of the specification was run'
  const name = specification === 'dev' ? 'the next version' : specification
  const { failed } = groups.specification
  if (!conforms && failed === 0) return `not all requirements of ${name} could be decided`
  if (conforms) return `no violation of ${name} found`
  return `${failed} ${failed === 1 ? 'requirement' : 'requirements'} of ${name} not met`
}

function formatCounts(counts: Counts, paint: Paint): string {
  return VERDICTS.filter((verdict) => counts[verdict] > 0)
    .map((verdict) => paint(`${counts[verdict]} ${verdict}`, verdict))
    .join(', ')
}
