/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  // Node takes the types out of TypeScript itself.
  transform: {},
  testRunner: '<rootDir>/test/support/file-runner.ts',
  testSequencer: '<rootDir>/test/support/sequencer.ts',
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
  // Tests drive real processes, on whatever machine: it ends what hangs.
  testTimeout: 60_000,
  // A worker that has grown is replaced between two files.
  workerIdleMemoryLimit: '700MB',
}
