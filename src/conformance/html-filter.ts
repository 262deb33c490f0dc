import { VERDICTS, type VerdictName } from './summary.ts'

/**
 * Makes the page show only cases with a verdict, or whose title or id contains some text. All controls are in the page but hidden until
 * this runs, so that without scripts no useless controls are visible. It never interprets text as markup.
 */
export const FILTER_SCRIPT = `
'use strict'
const filter = document.querySelector('.filter')
const search = filter.querySelector('input[type=search]')
const boxes = [...filter.querySelectorAll('input[type=checkbox]')]
const shown = filter.querySelector('output')
const cases = [...document.querySelectorAll('details.case')]
const apply = () => {
  const text = search.value.trim().toLowerCase()
  const wanted = boxes.filter((box) => box.checked).map((box) => box.value)
  let count = 0
  for (const each of cases) {
    const verdicts = each.dataset.verdicts.split(' ')
    const fits = wanted.length === 0 || wanted.some((verdict) => verdicts.includes(verdict))
    each.hidden = !fits || !each.querySelector('.title').textContent.toLowerCase().includes(text)
    if (!each.hidden) count++
  }
  for (const section of document.querySelectorAll('.section'))
    section.hidden = section.querySelector('details.case:not([hidden])') === null && (text !== '' || wanted.length > 0)
  shown.textContent = count + ' of ' + cases.length + ' cases'
}
filter.hidden = false
filter.addEventListener('input', apply)
apply()
const open = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)))
  const row = target && target.closest('details.case')
  if (!row) return
  search.value = ''
  for (const box of boxes) box.checked = false
  apply()
  row.open = true
  row.scrollIntoView()
}
addEventListener('hashchange', open)
open()
`

/** The controls of the filter, for the verdicts that occur. */
export function filterControls(found: ReadonlySet<VerdictName>): string {
  const boxes = VERDICTS.filter((verdict) => found.has(verdict)).map(
    (verdict) =>
      `<label class="${verdict}"><input type="checkbox" value="${verdict}"> <span class="verdict">${verdict}</span></label>`,
  )
  return `<div class="filter" hidden="hidden"><input type="search" aria-label="Filter by title or id" placeholder="title or id">${boxes.join('')}<output></output></div>`
}
