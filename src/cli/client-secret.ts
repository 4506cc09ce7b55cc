/** The secret of a client on the command line: entered by the administrator, or shown once. */
import { clientDocument } from '../clients/document.ts'
import type { ClientWithSecret } from '../clients/service.ts'
import type { Call, Outcome } from './command.ts'
import { secretSourceMissing } from './errors.ts'
import { askForSecret, isInteractive, readSecretFromStdin } from './input.ts'
import { record } from './output.ts'

export const secretOptions = [
  { flags: '--secret-stdin', text: 'cli.client.secretStdin' },
  { flags: '--secret-prompt', text: 'cli.client.secretPrompt' },
]

/** The secret that the administrator enters; undefined when Latchkey creates one. */
export async function readSecret(call: Call): Promise<string | undefined> {
  if (call.options.secretStdin) return readSecretFromStdin(call.io)
  if (!call.options.secretPrompt) return undefined
  if (!isInteractive(call.io)) throw secretSourceMissing()
  return askForSecret(call, call.t('cli.ask.clientSecret'))
}

export const shown = ({ client, secret }: ClientWithSecret, t: Call['t']): Outcome => {
  const document = clientDocument(client)
  const data = secret === undefined ? document : { ...document, client_secret: secret }
  const made = secret === undefined ? [] : [t('cli.client.secret'), secret]
  return { data, text: [record(document), ...made].join('\n') }
}
