/**
 * Every change of the schema, in the order of application. One change a file; a released file is
 * never edited.
 */
import type { Knex } from 'knex'
import { changeFeed } from './0000_change_feed.ts'
import { keyRing } from './0001_key_ring.ts'
import { artifact } from './0002_artifact.ts'
import { account } from './0003_account.ts'
import { client } from './0004_client.ts'
import { resourceServer } from './0005_resource_server.ts'
import { audit } from './0006_audit.ts'
import { setting } from './0007_setting.ts'
import { consent } from './0008_consent.ts'
import { clientRefresh } from './0009_client_refresh.ts'
import { consentChange } from './0010_consent_change.ts'
import { keyRingChanges } from './0011_key_ring_changes.ts'
import { resourceServerTokens } from './0013_resource_server_tokens.ts'
import { logoutDelivery } from './0017_logout_delivery.ts'
import { accountLink } from './0022_account_link.ts'
import { accountRegistration } from './0023_account_registration.ts'
import { accountImport } from './0024_account_import.ts'
import { loginThrottle } from './0026_guesses.ts'
import { rateLimit } from './0027_rate_limit.ts'
import { secondFactor } from './0028_second_factor.ts'
import { passkey } from './0029_passkey.ts'
import { accountPage } from './0030_account_page.ts'
import { accountGeneration } from './0031_account_generation.ts'
import { sessionClient } from './0032_session_client.ts'
import { interactionOutcome } from './0033_interaction_outcome.ts'
import { factorTrust } from './0034_factor_trust.ts'
import { newBrowserCount } from './0035_new_browser_count.ts'
import { outcomeRoom } from './0036_outcome_room.ts'
import { storeOutage } from './0037_store_outage.ts'
import { storeSetUp } from './0039_store_set_up.ts'
import { artifactSweep } from './0042_artifact_sweep.ts'
import { passwordCost } from './0046_password_cost.ts'
import { accountMailbox } from './0048_account_mailbox.ts'
import { accountMailboxIndex } from './0049_account_mailbox_index.ts'
import { untrustedPeer } from './0050_untrusted_peer.ts'
import { logoutReceiver } from './0051_logout_receiver.ts'
import { sweepCursor } from './0052_sweep_cursor.ts'
import { spentSweep } from './0053_spent_sweep.ts'
import { guessPending } from './0056_guess_pending.ts'
import { accountMailboxAgain } from './0057_account_mailbox_again.ts'
import { provisionalEnd } from './0058_provisional_end.ts'
import { sealedColumns } from './0059_sealed_columns.ts'
import { sealedColumnsFilled } from './0060_sealed_columns_filled.ts'
import { auditOrigin } from './0061_audit_origin.ts'

export type Migration = {
  name: string
  up: (knex: Knex) => Promise<void>
}

export const migrations: readonly Migration[] = [
  changeFeed,
  keyRing,
  artifact,
  account,
  client,
  resourceServer,
  audit,
  setting,
  consent,
  clientRefresh,
  consentChange,
  keyRingChanges,
  resourceServerTokens,
  logoutDelivery,
  accountLink,
  accountRegistration,
  accountImport,
  loginThrottle,
  rateLimit,
  secondFactor,
  passkey,
  accountPage,
  accountGeneration,
  sessionClient,
  interactionOutcome,
  factorTrust,
  newBrowserCount,
  outcomeRoom,
  storeOutage,
  storeSetUp,
  artifactSweep,
  passwordCost,
  accountMailbox,
  accountMailboxIndex,
  untrustedPeer,
  logoutReceiver,
  sweepCursor,
  spentSweep,
  guessPending,
  accountMailboxAgain,
  provisionalEnd,
  sealedColumns,
  sealedColumnsFilled,
  auditOrigin,
]
