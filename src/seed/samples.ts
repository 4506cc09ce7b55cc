/** The public values of `seeds/development.yaml`: production refuses each of them. */

export const sampleSecrets: readonly string[] = [
  'wonderland tea party',
  'demo-web-secret-for-development-only',
  'demo-machine-secret-for-development-only',
]

/** Other environments accept the sample values. */
export const listRefusedSecrets = (environment: string): readonly string[] =>
  environment === 'production' ? sampleSecrets : []

export const sampleClientIds: readonly string[] = ['demo-web', 'demo-spa', 'demo-machine']
export const sampleEmails: readonly string[] = ['alice@example.com']

/** The file with these values, which a development server applies at its start. */
export const developmentSeed = new URL('../../seeds/development.yaml', import.meta.url)

/** How to try a new development server, for its banner and its home page. */
export const developmentNotes = {
  user: 'alice@example.com',
  password: 'wonderland tea party',
  clients: [
    { clientId: 'demo-web', url: 'http://localhost:3001/' },
    { clientId: 'demo-spa', url: 'http://localhost:3002/' },
    { clientId: 'demo-machine' },
  ],
}
