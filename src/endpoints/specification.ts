import type { Section } from '../api/operation.ts'

const SPECIFICATION = 'https://github.com/opencontainers/distribution-spec/blob/main/spec.md'

/** A section of the OCI Distribution Specification. */
export function specification(title: string): Section {
  return { title, url: `${SPECIFICATION}#${title.toLowerCase().replaceAll(' ', '-')}` }
}
