import type { Case } from '../conformance/case.ts'
import type { CaseReport, Report } from '../conformance/summary.ts'
import {
  formatDetails,
  formatLine,
  formatSummary,
  formatTable,
  paintAnsi,
  paintNothing,
} from '../conformance/terminal-report.ts'

/** Reports a run on standard output: on a terminal with a progress line and then a table, elsewhere with a line for each case. */
export class ConformanceTerminal {
  readonly #isLive = process.stdout.isTTY === true
  readonly #paint = this.#isLive && !process.env.NO_COLOR ? paintAnsi : paintNothing
  #origin = ''
  #all = 0
  #done = 0
  #failed = 0

  list(cases: readonly Case[]): void {
    for (const { id, title, group, level, version } of cases)
      this.#write(`${id}\t${group}\t${level}\t${version}\t${title}\n`)
  }

  begin(origin: string, all: number): void {
    this.#origin = origin
    this.#all = all
    this.#done = 0
    this.#failed = 0
    if (!this.#isLive) this.#write(`${origin}\n`)
  }

  /** A case has finished. It is reported only if it was requested. */
  step({ id }: Case, report: CaseReport | undefined): void {
    this.#done++
    if (report?.verdict === 'failed') this.#failed++
    if (!this.#isLive) {
      if (report !== undefined) this.#write(`${formatLine(report)}\n`)
      return
    }
    const failed = this.#failed === 0 ? '' : `, ${this.#failed} failed`
    const text = `${this.#origin}  ${this.#done}/${this.#all}${failed}  ${id}`
    this.#write(`\r\u001b[K${text.slice(0, (process.stdout.columns ?? 80) - 1)}`)
  }

  end(
    report: Report,
    { leftBehind, kept, prefix }: { leftBehind: number; kept: number; prefix: string },
  ): void {
    if (this.#isLive) this.#write(`\r\u001b[K${formatTable(report, this.#paint)}\n`)
    const troubled = report.cases.filter(({ verdict }) => ['failed', 'warned', 'undecided'].includes(verdict))
    for (const each of troubled) this.#write(`\n${formatDetails(each, this.#paint)}\n`)
    if (leftBehind > 0)
      this.#write(
        `\nThe registry did not delete ${leftBehind} of the items that were pushed to the repositories ${prefix}-*.\n`,
      )
    if (kept > 0)
      this.#write(
        `\nThe registry does not support deleting repositories, so ${kept} with names ${prefix}-* may still be listed.\n`,
      )
    this.#write('\n')
  }

  tellTokenEndpoints({ tokenEndpoints }: Report, hasCredentials: boolean): void {
    for (const endpoint of tokenEndpoints)
      this.#write(`${endpoint} issued tokens${hasCredentials ? ' in exchange for the credentials' : ''}.\n`)
  }

  tellSummaries(reports: readonly Report[]): void {
    for (const report of reports) this.#write(`${formatSummary(report, this.#paint)}\n`)
  }

  #write(text: string): void {
    process.stdout.write(text)
  }
}
