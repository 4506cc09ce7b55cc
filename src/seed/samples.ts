/** The values of `seeds/development.yaml` that everybody knows: production refuses each of them. */

export const sampleSecrets: readonly string[] = [
  'wonderland tea party',
  'demo-web-secret-for-development-only',
  'demo-machine-secret-for-development-only',
]
export const sampleClientIds: readonly string[] = ['demo-web', 'demo-spa', 'demo-machine']
export const sampleEmails: readonly string[] = ['alice@example.com']
