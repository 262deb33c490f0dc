import type { RepositoryName } from '../../oci/reference.ts'
import type { Registry } from '../../registry/registry.ts'

/** The subject of an endpoint that exists at both levels: the registry as the caller may see it, or one repository of it. */
export interface Level {
  registry: Registry
  /** Undefined for the registry. */
  repository: RepositoryName | undefined
}
