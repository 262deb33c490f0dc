import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { pushImage } from '../content.ts'
import { assertRefusedToStart, assertToldProblem } from './exit.ts'
import { openSandbox, type Sandbox } from './program.ts'

/** For tests in which a hang is the failure. */
const HANG = { timeout: 240_000 }

/** Writes a configuration file, and checks it. */
async function check(
  { folder, run }: Sandbox,
  text: string | Uint8Array,
  env: Record<string, string> = {},
): Promise<{ code: number | null; lines: string[] }> {
  await writeFile(join(folder, 'stowage.yaml'), text)
  const { code, stdout, stderr } = await run(['config', 'check', 'stowage.yaml'], { env })
  assert.equal(stderr, '')
  return { code, lines: stdout.trimEnd().split('\n') }
}

test(
  'a flag is used before a variable, a variable before the file, and the file before the default',
  HANG,
  async (t) => {
    const sandbox = await openSandbox(t)
    const text =
      'keep-deleted: 1d\nkeep-history: 2d\nworkers: 2\ndata: of-file\nallowed-hosts: [a.test, "*.b.test"]\n'
    await writeFile(join(sandbox.folder, 'stowage.yaml'), text)
    const env = { STOWAGE_CONFIG: 'stowage.yaml', STOWAGE_LOG_LEVEL: 'info', STOWAGE_KEEP_HISTORY: '3d' }
    const server = await sandbox.serve('of-flag', ['--workers', '1'], { env })
    const [line] = await server.wrote('stderr', /^.*"started".*$/m)
    assert.deepEqual(JSON.parse(line).settings, {
      listen: '127.0.0.1:0',
      data: 'of-flag',
      allowedHosts: 'a.test,*.b.test',
      workers: '1',
      keepDeleted: '1d',
      keepHistory: '3d',
    })
  },
)

test(
  'a file that is wrong stops the start with its first fault, and says how to see the others',
  HANG,
  async (t) => {
    const sandbox = await openSandbox(t)
    await writeFile(join(sandbox.folder, 'stowage.yaml'), 'keep-deleted: 7\nworkers: 0\n')
    for (const [file, problem] of [
      [
        'stowage.yaml',
        /stowage\.yaml:1:15: keep-deleted must be .* \(and 1 more; see: stowage config check stowage/,
      ],
      ['absent.yaml', /absent\.yaml does not exist/],
      ['.', /\. is not a regular file/],
    ] as const)
      assertRefusedToStart(await sandbox.run(['serve', '--config', file]), problem)
    const env = { STOWAGE_CONFIG_FILE: 'stowage.yaml' }
    assertRefusedToStart(
      await sandbox.run(['serve'], { env }),
      /there is no STOWAGE_CONFIG_FILE; STOWAGE_CONFIG/,
    )
  },
)

test('all faults of a file are reported with their lines, in order', HANG, async (t) => {
  const text = [
    'keep-deletd: 7d',
    'keep-deleted: 7x',
    'keep-deleted: 1d',
    'trusted-proxies:',
    '  - 10.0.0.0/8',
    '  - 300.0.0.1',
    'log-level:',
    'zero-copy: [auto]',
    '5: x',
    `data: \${ABSENT}`,
    `public-url: \${`,
    'weather: fine',
  ].join('\n')
  const { code, lines } = await check(await openSandbox(t), text)
  assert.equal(code, 1)
  const wanted = [
    /^stowage\.yaml:1:1: there is no setting "keep-deletd"; did you mean keep-deleted\?$/,
    /^stowage\.yaml:2:15: keep-deleted must be a whole number and a unit/,
    /^stowage\.yaml:3:1: keep-deleted is already in line 2$/,
    /^stowage\.yaml:6:5: trusted-proxies must be none, or addresses and ranges/,
    /^stowage\.yaml:7:1: log-level has no value$/,
    /^stowage\.yaml:8:12: zero-copy must be a single value, not a list$/,
    /^stowage\.yaml:9:1: a key must be the name of a setting$/,
    /^stowage\.yaml:10:7: data uses the environment variable ABSENT, which is not set$/,
    /^stowage\.yaml:11:13: public-url has "\$\{", which is not \$\{NAME\}/,
    /^stowage\.yaml:12:1: there is no setting "weather"$/,
  ]
  assert.equal(lines.length, wanted.length, lines.join('\n'))
  for (const [index, pattern] of wanted.entries()) assert.match(lines[index] ?? '', pattern)
})

test('each wrong rule of a setting by repository is reported with its line', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  const text = [
    'sparse-indexes:',
    '  - mirror/**=allow',
    '  - Mirror/*=allow',
    '  - mirror/[a=allow',
    '  - mirror/*=maybe',
    '  - /mirror/*=allow',
    '  - =allow',
    '  - perhaps',
  ].join('\n')
  const { code, lines } = await check(sandbox, text)
  assert.equal(code, 1)
  assert.deepEqual(lines, [
    'stowage.yaml:3:5: sparse-indexes has "Mirror/*=allow", whose pattern has "M", which repository names cannot contain, at character 1',
    'stowage.yaml:4:5: sparse-indexes has "mirror/[a=allow", whose pattern has a "[" without a closing "]", at character 8',
    'stowage.yaml:5:5: sparse-indexes has "mirror/*=maybe", whose value must be one of refuse, allow',
    'stowage.yaml:6:5: sparse-indexes has "/mirror/*=allow", whose pattern has a slash where repository names cannot have one, at character 1',
    'stowage.yaml:7:5: sparse-indexes has "=allow", whose pattern is empty, at character 1',
    'stowage.yaml:8:5: sparse-indexes must be one of refuse, allow',
  ])
  const misplaced = await check(sandbox, 'sparse-indexes: [allow, "mirror/**=refuse"]\n')
  assert.match(
    misplaced.lines[0] ?? '',
    /:1:17: sparse-indexes has "allow", which is for all other repositories/,
  )
  const many = Array.from({ length: 101 }, (_, index) => `mirror/${index}=allow`).join(', ')
  const tooMany = await check(sandbox, `sparse-indexes: [${many}]\n`)
  assert.match(tooMany.lines[0] ?? '', /:1:17: sparse-indexes can have at most 100 patterns$/)
})

test('settings that conflict are reported at the position of one of them', HANG, async (t) => {
  const { code, lines } = await check(await openSandbox(t), 'data: d\nlisten: ":5000"\n')
  assert.equal(code, 1)
  assert.equal(lines.length, 1)
  assert.match(lines[0] ?? '', /^stowage\.yaml:2:9: listen is reachable from other machines/)
})

test('a file that is not YAML, or that is too large or nested too deeply, is a fault', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  const aliases = Array.from({ length: 101 }, () => '*a').join(', ')
  for (const [text, problem] of [
    ['data: [\nworkers: {', /^stowage\.yaml:2:\d+: /],
    ['- data', /^stowage\.yaml:1:1: must be a map of settings/],
    ['data: a\n---\ndata: b\n', /multiple documents/],
    ['data: !secret x\n', /^stowage\.yaml:1:7: Unresolved tag/],
    [`data: &a a\nallowed-hosts: [${aliases}]\n`, /there are more than 100 aliases/],
    ['['.repeat(100_000), /^stowage\.yaml:1:\d+: is nested too deeply$/],
    ['- '.repeat(100_000), /^stowage\.yaml:1:\d+: is nested too deeply$/],
    [`# ${'x'.repeat(256 * 1024)}`, /^stowage\.yaml is larger than 256 KiB$/],
    [Buffer.from([0xff, 0xfe, 0x41]), /^stowage\.yaml is not UTF-8$/],
  ] as const) {
    const { code, lines } = await check(sandbox, text)
    assert.equal(code, 1)
    assert.match(lines.join('\n'), problem)
    assert.ok(lines.length <= 100)
  }
})

test(
  'a valid file is reported as valid, and its settings can be printed as an equivalent file',
  HANG,
  async (t) => {
    const sandbox = await openSandbox(t)
    assert.deepEqual(await check(sandbox, ''), { code: 0, lines: ['stowage.yaml is valid'] })
    const text = `data: $\${A}-\${B}\nsocket-mode: 0600\nallow-anonymous: \${YES}\nallowed-hosts: []\nkeep-deleted: 0\n`
    const env = { B: 'b', YES: 'yes', STOWAGE_KEEP_HISTORY: '9d' }
    assert.deepEqual(await check(sandbox, text, env), { code: 0, lines: ['stowage.yaml is valid'] })
    const print = async (environment: Record<string, string>) => {
      const { stdout } = await sandbox.run(['config', 'check', 'stowage.yaml', '--print'], {
        env: environment,
      })
      return stdout
    }
    const printed = await print(env)
    for (const line of [
      `data: $\${A}-b`,
      'socket-mode: "0600"',
      'allow-anonymous: true',
      'keep-history: 9d',
      'allowed-hosts: none',
    ])
      assert.ok(printed.split('\n').includes(line), `${line} is not in:\n${printed}`)
    await writeFile(join(sandbox.folder, 'stowage.yaml'), printed)
    assert.equal(await print({}), printed)
  },
)

test('a value can be in a file that a variable names, and not in both', HANG, async (t) => {
  const sandbox = await openSandbox(t)
  await writeFile(join(sandbox.folder, 'time'), '5d\n')
  const valid = { STOWAGE_KEEP_DELETED_FILE: 'time', STOWAGE_LOG_LEVEL: 'info' }
  const server = await sandbox.serve('data', [], { env: valid })
  await server.wrote('stderr', /"keepDeleted":"5d"/)
  for (const [env, problem] of [
    [
      { ...valid, STOWAGE_KEEP_DELETED: '1d' },
      /STOWAGE_KEEP_DELETED and STOWAGE_KEEP_DELETED_FILE cannot both/,
    ],
    [{ STOWAGE_WORKERS_FILE: 'time' }, /STOWAGE_WORKERS_FILE must be auto or a number/],
    [{ STOWAGE_WORKERS_FILE: 'absent' }, /STOWAGE_WORKERS_FILE: absent does not exist/],
    [
      { STOWAGE_TLS_KEY_FILE: 'time' },
      /there is no STOWAGE_TLS_KEY_FILE; STOWAGE_TLS_KEY names the file itself/,
    ],
  ] as const)
    assertRefusedToStart(await sandbox.run(['serve'], { env }), problem)
})

test(
  'commands on a data folder find it by the file of the server, whatever else is in there',
  HANG,
  async (t) => {
    const sandbox = await openSandbox(t)
    const server = await sandbox.serve('of-server')
    await pushImage(server.url, 'app', 'v1')
    await writeFile(join(sandbox.folder, 'stowage.yaml'), `data: of-server\npublic-url: \${ABSENT}\n`)
    const found = await sandbox.run(['check', '--config', 'stowage.yaml'])
    assert.equal(found.code, 0, found.stderr)
    const env = { STOWAGE_CONFIG: 'stowage.yaml', STOWAGE_DATA: 'elsewhere' }
    assertToldProblem(await sandbox.run(['check'], { env }), 2, /elsewhere is not a data folder/)
  },
)
