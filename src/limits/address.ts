/** Which part of a network address is counted: all of an IPv4 address, the /64 of an IPv6 one, which one household or machine has. */

const groups = (text: string): string[] => (text === '' ? [] : text.split(':'))

/** `address` as `ctx.ip` gives it: lower case, without zone or port. */
export function countedAddress(address: string): string {
  if (!address.includes(':')) return address
  const [front = '', back] = address.split('::')
  const left = groups(front)
  // An IPv4 address at the end stands for two groups.
  const right = groups(back ?? '').flatMap((group) => (group.includes('.') ? [group, ''] : [group]))
  const all =
    back === undefined ? left : [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right]
  return `${all
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`
}
