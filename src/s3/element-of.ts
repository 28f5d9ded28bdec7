/** The text of the first element of this name. Names and tokens of S3 need no more than `&amp;` decoded. */
export function elementOf(xml: string, name: string): string | undefined {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1]?.replaceAll('&amp;', '&')
}
