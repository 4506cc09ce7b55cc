/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  transform: { '\\.ts$': '<rootDir>/test/support/strip-types.js' },
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
  // Tests drive real processes, on whatever machine: it ends what hangs.
  testTimeout: 60_000,
  // Every test file loads its modules anew; a worker that has grown is replaced between two files.
  workerIdleMemoryLimit: '700MB',
}
