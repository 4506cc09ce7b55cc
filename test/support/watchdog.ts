/** A shell that ends started programs and removes folders when this process is gone. */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'

// It reads what to end. When the pipe closes, by a normal exit or by kill -9, it ends the rest.
const script = `
  processes=' '
  folders=''
  while read -r verb value; do
    case "$verb" in
      watch) processes="$processes$value " ;;
      forget)
        rest=' '
        for entry in $processes; do [ "\${entry#*:}" = "$value" ] || rest="$rest$entry "; done
        processes=$rest ;;
      folder) folders="$folders
$value" ;;
    esac
  done
  for entry in $processes; do kill "-\${entry%%:*}" "\${entry#*:}" 2>/dev/null; done
  for entry in $processes; do
    tries=0
    while kill -0 "\${entry#*:}" 2>/dev/null && [ $tries -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done
    kill -KILL "\${entry#*:}" 2>/dev/null
  done
  printf '%s\\n' "$folders" | while read -r folder; do [ -z "$folder" ] || rm -rf -- "$folder"; done
`

let shell: ChildProcess | undefined

function tell(line: string): void {
  if (!shell) {
    shell = spawn('sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'], detached: true, cwd: '/' })
    shell.unref()
    const input = shell.stdin as unknown as { unref?: () => void }
    input.unref?.()
  }
  shell.stdin?.write(`${line}\n`)
}

/** `child` gets `signal` when this process is gone. Postgres frees its shared memory on QUIT. */
export function watchProcess(child: ChildProcess, signal: 'KILL' | 'QUIT' = 'KILL'): void {
  const { pid } = child
  if (pid === undefined) return
  tell(`watch ${signal}:${pid}`)
  child.once('exit', () => tell(`forget ${pid}`))
}

/** `folder` is removed when this process is gone. */
export const watchFolder = (folder: string): void => tell(`folder ${folder}`)
