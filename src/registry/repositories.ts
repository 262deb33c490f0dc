import { type ErrorId, type ErrorOptions, RegistryError } from '../oci/error.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { RegistryParts } from './parts.ts'

/** @throws RegistryError NAME_UNKNOWN */
export function nameUnknown(name: RepositoryName): never {
  throw new RegistryError('NAME_UNKNOWN', { details: [{ name }] })
}

/** The error for missing content: NAME_UNKNOWN if the repository does not exist, otherwise the given error. */
export async function nameOrElse(
  parts: RegistryParts,
  repository: RepositoryName,
  otherwise: ErrorId,
  options: ErrorOptions,
): Promise<RegistryError> {
  const exists = await parts.metadata.repositories.exists(repository)
  if (exists) return new RegistryError(otherwise, options)
  return new RegistryError('NAME_UNKNOWN', { details: [{ name: repository }] })
}
