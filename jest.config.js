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
  // It only ends what hangs, on whatever machine. A time that a test promises is an `expect`.
  testTimeout: 180_000,
  // A worker that has grown is replaced between two files.
  workerIdleMemoryLimit: '700MB',
}
