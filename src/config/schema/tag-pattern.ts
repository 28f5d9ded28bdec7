import { RE2JS, RE2JSSyntaxException } from 're2js'

/** Tags whose result is remembered: most are asked for again and again. */
const KNOWN = 1000

/**
 * A regular expression in the syntax of RE2: that of JavaScript without look-around and back-references. It
 * is matched in time proportional to the text, so that no pattern holds up others.
 */
export class TagPattern {
  readonly source: string
  readonly #expression: RE2JS
  readonly #known = new Map<string, boolean>()

  /** @throws SyntaxError that says why */
  constructor(source: string) {
    this.source = source
    try {
      this.#expression = RE2JS.compile(source)
    } catch (error) {
      if (!(error instanceof RE2JSSyntaxException)) throw error
      throw new SyntaxError(error.message.replace('error parsing regexp: ', ''), { cause: error })
    }
  }

  /** Whether it matches anywhere in `text`. */
  test(text: string): boolean {
    const known = this.#known.get(text)
    if (known !== undefined) return known
    const isMatch = this.#expression.test(text)
    if (this.#known.size === KNOWN) this.#known.clear()
    this.#known.set(text, isMatch)
    return isMatch
  }
}
