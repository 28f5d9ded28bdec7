/** The network that an address is added up in: `10.1.2.0/24`, `2001:db8:1::/48`. */
export function networkOf(address: string): string {
  const plain = address.startsWith('::ffff:') ? address.slice(7) : address
  if (!plain.includes(':')) {
    const end = plain.lastIndexOf('.')
    return end < 0 ? plain.slice(0, 50) : `${plain.slice(0, end)}.0/24`
  }
  const [head = ''] = plain.split('%')[0]!.split('::')
  const groups = [...head.split(':'), '0', '0', '0'].slice(0, 3).map((group) => group || '0')
  return `${groups.join(':')}::/48`
}
