import { readFileSync } from 'node:fs'

/** The lowest limit that systems grant a program. */
const LEAST = 256

/** How many files and connections this process may have open at a time: the limit of `ulimit -n`. */
export function openFilesLimit(): number {
  return fromProc() ?? fromReport() ?? LEAST
}

function fromProc(): number | undefined {
  try {
    const [, soft] =
      /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    if (soft === undefined) return undefined
    return soft === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(soft)
  } catch {
    // Only Linux has it.
    return undefined
  }
}

function fromReport(): number | undefined {
  const report = process.report.getReport() as unknown as {
    userLimits?: { open_files?: { soft?: number | string } }
  }
  const soft = report.userLimits?.open_files?.soft
  if (soft === 'unlimited') return Number.MAX_SAFE_INTEGER
  return typeof soft === 'number' ? soft : undefined
}
