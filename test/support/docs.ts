import { globSync, readFileSync } from 'node:fs'

const ROOT = new URL('../..', import.meta.url)

/** README.md and the pages below `docs/`. */
export const PAGES: readonly string[] = ['README.md', ...globSync('docs/*.md', { cwd: ROOT }).toSorted()]

export interface Block {
  readonly page: string
  /** Empty where the page names none. */
  readonly language: string
  readonly text: string
  /** Of the comment before it: `<!-- e2e: docker -->`, `<!-- setup: containerd --client-version 2.1 -->`. */
  readonly mark: { readonly kind: string; readonly value: string } | undefined
}

export function textOf(page: string): string {
  return readFileSync(new URL(page, ROOT), 'utf8')
}

export function blocksOf(page: string): readonly Block[] {
  const found = textOf(page).matchAll(/(?:^<!-- (\w+): (.*?) -->\n+)?^```(\w*)\n([^]*?)^```/gm)
  return [...found].map(([, kind, value, language, text]): Block => {
    const mark = kind === undefined ? undefined : { kind, value: value! }
    return { page, language: language!, text: text!, mark }
  })
}

/** What a block tells people to type: one command a line, without comments. */
export function typedIn({ language, text }: Block): readonly string[] {
  if (language !== 'sh' && language !== 'console') return []
  const lines = text.replaceAll(/\\\n\s*/g, '').split('\n')
  const typed = language === 'console' ? lines.filter((line) => line.startsWith('$ ')) : lines
  return typed
    .map((line) =>
      line
        .replace(/^\$ /, '')
        .replace(/\s+#.*$/, '')
        .trim(),
    )
    .filter((line) => line !== '')
}

/** The words of a command of ours, without variables before it and what the shell does with its output. */
export function ownWords(command: string): readonly string[] | undefined {
  const [, own] = /^(?:[A-Z_]+=(?:'[^']*'|\S*)\s+)*entrepot((?:\s.*)?)$/.exec(command) ?? []
  if (own === undefined) return undefined
  const plain = own.replace(/\s[>|].*$/, '')
  return [...plain.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!)
}
