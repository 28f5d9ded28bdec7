import { readFile } from 'node:fs/promises'

/** The block of README.md after `<!-- e2e: name -->`, as printed, with the address it names replaced by that of the test's proxy. */
export async function readmeSnippet(name: string, authority: string): Promise<string> {
  const readme = await readFile(new URL('../../../README.md', import.meta.url), 'utf8')
  const block = new RegExp(`<!-- e2e: ${name} -->\\n+\`\`\`\\w+\\n([^]*?)\`\`\``).exec(readme)?.[1]
  if (block === undefined || !block.includes('localhost:5000')) {
    throw new Error(`README.md has no snippet \`${name}\` that names localhost:5000`)
  }
  return block.replaceAll('localhost:5000', authority)
}
