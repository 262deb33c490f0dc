import type { Section } from '../../api/operation.ts'

/** Where a page of `docs/extensions` is, seen from `docs/api`. */
export function pageSection(title: string, page: string): Section {
  return { title, url: `../extensions/${page}.md` }
}
