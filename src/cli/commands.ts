/** Every command, in the order of the help. */
import { clientCommands } from './client.ts'
import type { CliCommand } from './command.ts'
import { doctor } from './doctor.ts'
import { keyCommands } from './keys.ts'
import { logoutDeliveryCommands } from './logout-deliveries.ts'
import { migrate } from './migrate.ts'
import { networkCommands } from './network.ts'
import { resourceServerCommands } from './resource-server.ts'
import { revoke } from './revoke.ts'
import { seed } from './seed.ts'
import { settingsCommands } from './settings.ts'
import { userCommands } from './user.ts'
import { setEmail } from './user-email.ts'
import { userFactorCommands } from './user-factors.ts'
import { userImportCommands } from './user-import.ts'

export const commands: readonly CliCommand[] = [
  ...clientCommands,
  ...userCommands,
  setEmail,
  ...userFactorCommands,
  ...userImportCommands,
  ...networkCommands,
  ...resourceServerCommands,
  revoke,
  ...logoutDeliveryCommands,
  ...settingsCommands,
  ...keyCommands,
  seed,
  migrate,
  doctor,
]
