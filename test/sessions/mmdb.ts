/**
 * A tiny MMDB file for one IPv4 network, by the format's specification 2.0: a tree of bits, a data
 * section, and metadata.
 */

type Value = string | Readonly<Record<string, unknown>> | readonly string[] | { uint: number; bytes: 2 | 4 | 8 }

const isUint = (value: Value): value is { uint: number; bytes: 2 | 4 | 8 } =>
  typeof value === 'object' && 'uint' in value

function encode(value: Value): Buffer {
  if (typeof value === 'string') return Buffer.concat([Buffer.of((2 << 5) | value.length), Buffer.from(value)])
  if (Array.isArray(value))
    return Buffer.concat([Buffer.of(value.length, 4), ...value.map((one: string) => encode(one))])
  if (isUint(value)) {
    const number = Buffer.alloc(8)
    number.writeBigUInt64BE(BigInt(value.uint))
    const bytes = number.subarray(8 - value.bytes)
    const control = { 2: [(5 << 5) | 2], 4: [(6 << 5) | 4], 8: [8, 2] }[value.bytes]
    return Buffer.concat([Buffer.from(control), bytes])
  }
  const entries = Object.entries(value)
  return Buffer.concat([
    Buffer.of((7 << 5) | entries.length),
    ...entries.flatMap(([key, one]) => [encode(key), encode(one as Value)]),
  ])
}

/** `network` is the first three bytes of a /24. */
export function mmdbFile(network: readonly [number, number, number], data: Readonly<Record<string, unknown>>): Buffer {
  const nodes = 24
  const tree = Buffer.alloc(nodes * 6)
  for (let node = 0; node < nodes; node += 1) {
    const bit = (network[node >> 3]! >> (7 - (node & 7))) & 1
    const next = node === nodes - 1 ? nodes + 16 : node + 1
    tree.writeUIntBE(bit === 0 ? next : nodes, node * 6, 3)
    tree.writeUIntBE(bit === 1 ? next : nodes, node * 6 + 3, 3)
  }
  const metadata = encode({
    node_count: { uint: nodes, bytes: 4 },
    record_size: { uint: 24, bytes: 2 },
    ip_version: { uint: 4, bytes: 2 },
    database_type: 'Test-City',
    languages: ['en'],
    binary_format_major_version: { uint: 2, bytes: 2 },
    binary_format_minor_version: { uint: 0, bytes: 2 },
    build_epoch: { uint: 1_700_000_000, bytes: 8 },
    description: {},
  })
  const marker = Buffer.concat([Buffer.of(0xab, 0xcd, 0xef), Buffer.from('MaxMind.com')])
  return Buffer.concat([tree, Buffer.alloc(16), encode(data), marker, metadata])
}
