import { RE2JS, RE2JSSyntaxException } from 're2js'

/**
 * A regular expression in the syntax of RE2: that of JavaScript without look-around and back-references. It
 * is matched in time proportional to the text, so that no pattern holds up others.
 */
export class TagPattern {
  readonly source: string
  readonly #expression: RE2JS

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
    return this.#expression.test(text)
  }
}
