import type { RepositoryName } from '../../oci/reference.ts'
import type { Registry } from '../../registry/registry.ts'

/** Text that differs between two states of a repository, for the ETags of its content. @throws RegistryError NAME_UNKNOWN */
export async function repositoryState(registry: Registry, repository: RepositoryName): Promise<string> {
  const { id, revision } = await registry.repositories.state(repository)
  return `repository ${id} ${revision}`
}

/** Text that differs between two states of the registry, for the ETags of answers about several repositories. */
export async function registryState(registry: Registry): Promise<string> {
  const { last } = await registry.changes.bounds()
  return `registry ${last}`
}
