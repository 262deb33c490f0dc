/** For a program under test: what it does once a minute it does fifty times a second. */
const MINUTE_MS = 60_000
const OFTEN_MS = 20

const { setInterval: start } = globalThis

globalThis.setInterval = new Proxy(start, {
  apply: (target, self, [work, pause, ...rest]) =>
    Reflect.apply(target, self, [work, pause === MINUTE_MS ? OFTEN_MS : pause, ...rest]),
})
