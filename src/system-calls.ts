import type { FunctionSignature } from 'node:ffi'

/** The architectures on which the numbers and structure layouts of Linux calls are known. */
const LINUX = new Set(['linux x64', 'linux arm64'])

/**
 * Opens functions of the system's C library that Node has no way to call.
 *
 * @param signatures of the functions by name
 * @returns undefined if this Node may not call the system, or the library lacks one of them
 */
export async function openSystemCalls<Calls>(
  signatures: Readonly<Record<keyof Calls, FunctionSignature>>,
): Promise<Calls | undefined> {
  try {
    const { dlopen } = await import('node:ffi')
    return dlopen(null, signatures).functions as unknown as Calls
  } catch {
    // Node can be built or started without it.
    return undefined
  }
}

/** Like {@link openSystemCalls}, for calls that use numbers or structures of Linux. @returns undefined on other systems too */
export async function openLinuxCalls<Calls>(
  signatures: Readonly<Record<keyof Calls, FunctionSignature>>,
): Promise<Calls | undefined> {
  return LINUX.has(`${process.platform} ${process.arch}`)
    ? await openSystemCalls<Calls>(signatures)
    : undefined
}
