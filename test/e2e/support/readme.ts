import { readFile } from 'node:fs/promises'

const ROOT = new URL('../../..', import.meta.url)

/** The commands of the block after `<!-- e2e: name -->` in a document, each on one line. @throws Error when there is no such block */
export async function documentedCommands(document: string, name: string): Promise<readonly string[]> {
  return (await documentedBlock(document, name))
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter(Boolean)
}

/** The block of README.md after `<!-- e2e: name -->`, as printed, with the address it names replaced by that of the test's proxy. */
export async function readmeSnippet(name: string, authority: string): Promise<string> {
  const block = blockOf(await readFile(new URL('README.md', ROOT), 'utf8'), name)
  if (block === undefined || !block.includes('localhost:5000')) {
    throw new Error(`README.md has no snippet \`${name}\` that names localhost:5000`)
  }
  return block.replaceAll('localhost:5000', authority)
}

/** The block after `<!-- e2e: name -->` in a document, as printed. @throws Error when there is no such block */
export async function documentedBlock(document: string, name: string): Promise<string> {
  const block = blockOf(await readFile(new URL(document, ROOT), 'utf8'), name)
  if (block === undefined) throw new Error(`${document} has no block \`${name}\``)
  return block
}

function blockOf(text: string, name: string): string | undefined {
  return new RegExp(`<!-- e2e: ${name} -->\\n+\`\`\`\\w+\\n([^]*?)\`\`\``).exec(text)?.[1]
}
