import { type SweepTimes, sweepFolder } from './sweep-times.ts'

// What the server does once a minute, in a process of its own, so that it can be killed while it does.
const [data = '', times = ''] = process.argv.slice(2)
await sweepFolder(data, JSON.parse(times) as SweepTimes, () => process.stdout.write('sweeping\n'))
process.stdout.write('swept\n')
