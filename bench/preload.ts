/** Loaded into every measured server with `--import`: reports the CPU and memory it has used. */

export type Usage = {
  /** Microseconds of CPU that this process has used, in user and kernel mode. */
  cpuMicros: number
  /** Bytes of resident memory. */
  residentBytes: number
  /** Bytes that V8 has reserved for its heap, and bytes outside of it that objects refer to. */
  heapBytes: number
  externalBytes: number
}

process.on('message', (message) => {
  if (message !== 'usage') return
  const { user, system } = process.cpuUsage()
  const { rss, heapTotal, external } = process.memoryUsage()
  const usage: Usage = {
    cpuMicros: user + system,
    residentBytes: rss,
    heapBytes: heapTotal,
    externalBytes: external,
  }
  process.send?.(usage)
})
// The channel must not keep a server running that wants to end.
process.channel?.unref()
