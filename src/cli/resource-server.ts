/** `latchkey resource-server`: the APIs that accept tokens. */
import { readResourceServerDocument, resourceServerDocument } from '../resource-servers/document.ts'
import { resourceServerInvalid, resourceServerNotFound } from '../resource-servers/errors.ts'
import { signingAlgorithms, tokenFormats } from '../resource-servers/resource-server.ts'
import type { ResourceServer } from '../resource-servers/service.ts'
import type { CliCommand, Outcome } from './command.ts'
import { record, table } from './output.ts'

const identifier = { syntax: '<identifier>', text: 'cli.resourceServer.identifier' }

const shown = (resourceServer: ResourceServer): Outcome => {
  const data = resourceServerDocument(resourceServer)
  const scopes = resourceServer.scopes.map(({ name, description }) => (description ? `${name}: ${description}` : name))
  return { data, text: record({ ...data, scopes }) }
}

const add: CliCommand = {
  name: 'resource-server add',
  about: 'cli.resourceServer.add.about',
  arguments: [identifier],
  options: [
    { flags: '--name <name>', text: 'cli.resourceServer.name', isRequired: true },
    { flags: '--scope <name=description>', text: 'cli.resourceServer.scope', isRequired: true, isRepeated: true },
    { flags: '--token-format <format>', text: 'cli.resourceServer.tokenFormat', choices: tokenFormats },
    { flags: '--token-lifetime-seconds <n>', text: 'cli.resourceServer.tokenLifetime', isWholeNumber: true },
    { flags: '--signing-algorithm <alg>', text: 'cli.resourceServer.signingAlgorithm', choices: signingAlgorithms },
    { flags: '--allow-client <client-id>', text: 'cli.resourceServer.allowClient', isRepeated: true },
    { flags: '--introspection-client <client-id>', text: 'cli.resourceServer.introspectionClient', isRepeated: true },
  ],
  examples: [
    'latchkey resource-server add https://api.example.com --name "Notes" --scope notes:read="Read your notes" --scope notes:write',
  ],
  run: async ({ args, options, openParts, by }) => {
    const document = {
      identifier: args[0],
      name: options.name,
      scopes: (options.scope as string[]).map((scope) => {
        const [name = '', ...description] = scope.split('=')
        return { name, ...(description.length > 0 ? { description: description.join('=') } : {}) }
      }),
      ...(options.tokenFormat === undefined ? {} : { token_format: options.tokenFormat }),
      ...(options.tokenLifetimeSeconds === undefined ? {} : { token_lifetime_seconds: options.tokenLifetimeSeconds }),
      ...(options.signingAlgorithm === undefined ? {} : { signing_algorithm: options.signingAlgorithm }),
      ...(options.allowClient === undefined ? {} : { allowed_clients: options.allowClient }),
      ...(options.introspectionClient === undefined ? {} : { introspection_clients: options.introspectionClient }),
    }
    const { input, problems } = readResourceServerDocument(document)
    if (problems.length > 0) throw resourceServerInvalid(problems)
    return shown(await (await openParts()).resourceServers.put(input, by))
  },
}

const list: CliCommand = {
  name: 'resource-server list',
  about: 'cli.resourceServer.list.about',
  examples: ['latchkey resource-server list'],
  run: async ({ openParts, t }) => {
    const found = await (await openParts()).resourceServers.list()
    const head = [t('cli.columns.identifier'), t('cli.columns.name'), t('cli.columns.scopes'), t('cli.columns.tokens')]
    const rows = found.map((one) => [one.identifier, one.name, one.scopes.map(({ name }) => name), one.tokenFormat])
    return { data: { resource_servers: found.map(resourceServerDocument) }, text: table(head, rows) }
  },
}

const show: CliCommand = {
  name: 'resource-server show',
  about: 'cli.resourceServer.show.about',
  arguments: [identifier],
  examples: ['latchkey resource-server show http://localhost:3003/'],
  run: async ({ args: [id = ''], openParts }) => {
    const found = await (await openParts()).resourceServers.findByIdentifier(id)
    if (!found) throw resourceServerNotFound({ params: { identifier: id } })
    return shown(found)
  },
}

const remove: CliCommand = {
  name: 'resource-server remove',
  about: 'cli.resourceServer.remove.about',
  arguments: [identifier],
  examples: ['latchkey resource-server remove https://api.example.com'],
  run: async ({ args: [id = ''], openParts, by, t }) => {
    await (await openParts()).resourceServers.remove(id, by)
    return { data: { removed: id }, text: t('cli.removed', { id }) }
  },
}

export const resourceServerCommands: readonly CliCommand[] = [add, list, show, remove]
