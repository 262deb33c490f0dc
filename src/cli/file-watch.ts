import { stat } from 'node:fs/promises'

const CHECK_MS = 2_000

/**
 * Calls a function when some files may have changed. It looks at them every two seconds, so that it also notices files that are replaced by
 * rename or through a link, and changes on file systems that do not report them. It waits until a file stays the same for two seconds, since
 * a program may still be writing to it. The first call comes soon after the start, for changes that were made before.
 *
 * @param onChange must not reject
 * @returns a function that ends the watch
 */
export function watchFiles(paths: readonly string[], onChange: () => Promise<void>): () => void {
  let seen = ''
  let known = ''
  const check = async () => {
    const found = await stateOf(paths)
    const isSettled = found === seen
    seen = found
    if (!isSettled || found === known) return
    known = found
    await onChange()
  }
  let timer: NodeJS.Timeout | undefined
  const checkLater = () => {
    timer = setTimeout(async () => {
      await check()
      if (timer !== undefined) checkLater()
    }, CHECK_MS).unref()
  }
  if (paths.length > 0) checkLater()
  return () => {
    clearTimeout(timer)
    timer = undefined
  }
}

async function stateOf(paths: readonly string[]): Promise<string> {
  return (await Promise.all(paths.map(fileState))).join('\n')
}

async function fileState(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  }
}
