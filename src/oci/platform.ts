import { TextError } from './text-error.ts'

const PLATFORM = /^[A-Za-z0-9._-]+\/[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)?$/

/** Reads a platform: `<os>/<architecture>` or `<os>/<architecture>/<variant>`. @throws TextError */
export function parsePlatform(text: string): string {
  if (PLATFORM.test(text)) return text
  throw new TextError('must be a platform, such as linux/amd64 or linux/arm/v7', text, 0)
}

/** Whether a platform is the requested one. A request without a variant matches every variant. */
export function matchesPlatform(wanted: string, platform: string): boolean {
  return platform === wanted || (platform.startsWith(`${wanted}/`) && wanted.split('/').length === 2)
}
