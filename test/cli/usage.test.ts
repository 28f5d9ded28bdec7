import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { COMMON_OPTIONS } from '../../src/cli/command.ts'
import { commands } from '../../src/cli/commands.ts'
import { run } from '../../src/cli/run.ts'

const table = commands({
  start: async () => {},
  now: Date.now,
  openHere: () => Promise.reject(new Error('no store')),
})

/** Runs a command line on terminals of this width. */
async function said(line: string, columns?: number) {
  const texts = { stdout: '', stderr: '' }
  const stream = (name: keyof typeof texts) => ({
    columns,
    write: (text: string) => void (texts[name] += text),
  })
  const argv = line === '' ? [] : line.split(' ')
  const code = await run(table, argv, { env: {}, stdout: stream('stdout'), stderr: stream('stderr') })
  return { code, ...texts }
}

for (const [name, { options, takes }] of Object.entries(table)) {
  test(`${name} --help tells its arguments, each option, and nothing of other commands`, async () => {
    const { code, stdout, stderr } = await said(`${name} --help`)
    assert.deepEqual([code, stderr], [0, ''])
    assert.ok(stdout.startsWith(`usage: entrepot ${name} `), stdout)
    const told = [...stdout.matchAll(/^  (?:-\w, )?--([\w-]+)/gm)].map(([, option]) => option!)
    assert.deepEqual(told.toSorted(), Object.keys({ ...options, ...COMMON_OPTIONS }).toSorted())
    assert.equal((await said(`help ${name}`)).stdout, stdout)
    assert.ok('json' in options, 'all commands take --json')
    if (takes[1] === 0) return
    const empty = await said(`${name}${' '.repeat(Math.max(1, takes[0]))}`)
    assert.equal(empty.code, 64)
    assert.match(empty.stderr, /^entrepot: (?:the argument|argument 1) of \w[\w-]* is empty, it takes \S/)
  })
}

test('help lists every command, and no line is wider than the terminal or 100 columns', async () => {
  const all = await said('help')
  assert.equal(all.code, 0)
  const listed = [...all.stdout.matchAll(/^  ([a-z]+) {2,}\S/gm)].map(([, name]) => name)
  assert.deepEqual(listed, Object.keys(table))
  for (const line of ['help', ...Object.keys(table).map((name) => `${name} --help`)]) {
    for (const columns of [undefined, 72, 80, 300]) {
      const { stdout } = await said(line, columns)
      const longest = Math.max(...stdout.split('\n').map(({ length }) => length))
      assert.ok(longest <= Math.min(columns ?? 100, 100), `${line} at ${columns}: ${longest}`)
    }
  }
})

suite('a wrong line says where its help is', () => {
  for (const [line, words] of [
    [
      'verify --rate fast',
      'entrepot: --rate fast: must be bytes per second, such as 50MiB or 1GB (see entrepot verify --help)\n',
    ],
    ['push node', 'entrepot: push needs <pattern>… <destination> (see entrepot push --help)\n'],
    ['export', 'entrepot: export needs <pattern>… (see entrepot export --help)\n'],
    ['lst', 'entrepot: unknown command lst, did you mean ls? (see entrepot help)\n'],
    // What the shell makes of `entrepot run "$RUN"`, where the variable has no value.
    ['run ', 'entrepot: the argument of run is empty, it takes <run> (see entrepot run --help)\n'],
    ['ls  --json', 'entrepot: the argument of ls is empty, it takes [pattern] (see entrepot ls --help)\n'],
    [
      'push node ',
      'entrepot: argument 2 of push is empty, it takes <pattern>… <destination> (see entrepot push --help)\n',
    ],
    [
      'import a.tar --as ',
      'entrepot: --as is empty, it needs UPSTREAM/REPOSITORY (see entrepot import --help)\n',
    ],
    ['status --server=', 'entrepot: --server is empty, it needs URL (see entrepot status --help)\n'],
    ['ls --config=', 'entrepot: --config is empty, it needs FILE (see entrepot ls --help)\n'],
    [' --json', 'entrepot: the name of the command is empty (see entrepot help)\n'],
    ['help lst', 'entrepot: unknown command lst, did you mean ls? (see entrepot help)\n'],
  ] as const) {
    test(line, async () => {
      assert.deepEqual(await said(line), { code: 64, stdout: '', stderr: words })
    })
  }
})
