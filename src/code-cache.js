/** Keeps compiled code between starts. Node then need not strip types again, which costs memory and half of the time of a start. */
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/latchkey', import.meta.url)))
