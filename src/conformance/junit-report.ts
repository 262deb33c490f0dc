import type { Group } from './case.ts'
import { escapeMarkup } from './markup.ts'
import { type CaseReport, GROUP_NAMES, type Report, reasonOf } from './summary.ts'
import { formatDetails } from './terminal-report.ts'

/**
 * Reports as JUnit XML, one suite for each registry and group. An undecided case is an error in JUnit. A case that warned, was skipped or
 * isn't supported is skipped in JUnit; its message and the property `verdict` say which.
 */
export function formatJunitReport(reports: readonly Report[]): string {
  const suites = reports.flatMap((report) =>
    (Object.keys(GROUP_NAMES) as Group[]).flatMap((group) => {
      const cases = report.cases.filter((each) => each.group === group)
      return cases.length === 0
        ? []
        : [formatSuite(`${report.registry} ${GROUP_NAMES[group]}`, report, cases)]
    }),
  )
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="Stowage conformance">\n${suites.join('')}</testsuites>\n`
}

function formatSuite(name: string, { started }: Report, cases: readonly CaseReport[]): string {
  const failures = cases.filter(({ verdict }) => verdict === 'failed').length
  const errors = cases.filter(({ verdict }) => verdict === 'undecided').length
  const passed = cases.filter(({ verdict }) => verdict === 'passed').length
  const attributes = {
    name,
    tests: cases.length,
    failures,
    errors,
    skipped: cases.length - failures - errors - passed,
    time: secondsOf(cases.reduce((sum, { milliseconds }) => sum + milliseconds, 0)),
    timestamp: started.replace(/\.\d+Z$/, ''),
  }
  return `  <testsuite${formatAttributes(attributes)}>\n${cases.map(formatCase).join('')}  </testsuite>\n`
}

function formatCase(each: CaseReport): string {
  const attributes = {
    name: `${each.id}: ${each.title}`,
    classname: `${each.group}.${each.section.replaceAll('.', ' ')}`,
    time: secondsOf(each.milliseconds),
  }
  const properties = `      <properties>\n        <property${formatAttributes({ name: 'verdict', value: each.verdict })}/>\n      </properties>\n`
  return `    <testcase${formatAttributes(attributes)}>\n${properties}${formatOutcome(each)}    </testcase>\n`
}

function formatOutcome(each: CaseReport): string {
  if (each.verdict === 'passed') return ''
  const message = reasonOf(each)
  if (each.verdict === 'failed' || each.verdict === 'undecided') {
    const text = escapeMarkup(formatDetails(each))
    const name = each.verdict === 'failed' ? 'failure' : 'error'
    return `      <${name}${formatAttributes({ message, type: each.level })}>${text}</${name}>\n`
  }
  return `      <skipped${formatAttributes({ message: `${each.verdict}: ${message}` })}/>\n`
}

function formatAttributes(attributes: Record<string, string | number>): string {
  return Object.entries(attributes)
    .map(([name, value]) => ` ${name}="${escapeMarkup(String(value))}"`)
    .join('')
}

function secondsOf(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(3)
}
