/** For a program under test: what watches the progress of bodies judges eight times sooner, by a clock that runs eight times faster. */
const SPEED = 8
const CHECK_MS = 5_000

const { now } = performance
Object.defineProperty(performance, 'now', { value: () => now.call(performance) * SPEED })

const { setInterval: start } = globalThis

globalThis.setInterval = new Proxy(start, {
  apply: (target, self, [work, pause, ...rest]) =>
    Reflect.apply(target, self, [work, pause === CHECK_MS ? pause / SPEED : pause, ...rest]),
})
