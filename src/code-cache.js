/**
 * Keeps compiled code between starts: stripping types again costs memory and half the time of a
 * start.
 */
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/latchkey', import.meta.url)))
