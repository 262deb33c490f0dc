/** For a program under test: what it does once a minute, or about once a minute, it does fifty times a second. */
const MINUTE_MS = 60_000
const JITTER_MS = 6_000
const OFTEN_MS = 20

const isMinute = (pause: number) => Math.abs(pause - MINUTE_MS) <= JITTER_MS

for (const name of ['setInterval', 'setTimeout'] as const) {
  globalThis[name] = new Proxy(globalThis[name], {
    apply: (target, self, [work, pause, ...rest]) =>
      Reflect.apply(target, self, [work, isMinute(pause) ? OFTEN_MS : pause, ...rest]),
  }) as never
}
