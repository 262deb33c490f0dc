import { after, type TestContext } from 'node:test'

type Hook = () => unknown

const hooks: Hook[] = []

/**
 * Stands for a whole test file where a test is asked for: what is registered with it is done after the file's last test. All of
 * it is done even if some of it fails; with `after` of `node:test` one failure would leave the rest undone, and servers open.
 */
export const wholeFile: Pick<TestContext, 'after'> = {
  after(hook) {
    if (hooks.length === 0) after(runHooks)
    hooks.push(hook as Hook)
  },
}

async function runHooks(): Promise<void> {
  const failures: unknown[] = []
  // A hook may register others: an array is read up to what was added meanwhile.
  for (const hook of hooks) {
    try {
      await hook()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length === 1) throw failures[0]
  if (failures.length > 1) throw new AggregateError(failures)
}
