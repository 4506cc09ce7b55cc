/**
 * The `jti` of a JWT access token seals the token's grant and session, so that a token without a
 * row can be revoked.
 */
import { consentKey, endKey, rowId, sessionKey } from './digest.ts'
import type { Reads } from './postgres/reads.ts'
import type { Seal } from './seal.ts'

/** The owner of a token. The seal binds the `jti` to it: the `jti` is invalid for another owner. */
export type TokenOwner = Readonly<{
  clientId: string
  /** Undefined: the token acts for the client itself. */
  accountId: string | undefined
}>

export type TokenParents = Readonly<{
  /** Milliseconds since the epoch. */
  issuedAt: number
  grantId: string | undefined
  /** The browser session that the token ends with; undefined with offline access. */
  sessionUid: string | undefined
}>

const millisecondsBytes = 6
const digestBytes = 32
const flags = { grant: 1, session: 2 } as const

type Deps = { seal: Seal; reads: Reads }

export function createTokenIds({ seal, reads }: Deps) {
  const context = ({ clientId, accountId }: TokenOwner) => Buffer.from(JSON.stringify([clientId, accountId ?? null]))
  const everything = endKey('everything', '')

  function openRoots(jti: string, owner: TokenOwner) {
    const plain = seal.openBytes(Buffer.from(jti, 'base64url'), context(owner))
    if (!plain) return undefined
    const [kinds = 0] = plain
    let at = 1 + millisecondsBytes
    const key = (flag: number): Buffer | undefined => {
      if ((kinds & flag) === 0) return undefined
      at += digestBytes
      return plain.subarray(at - digestBytes, at)
    }
    return {
      issuedAt: plain.readUIntBE(1, millisecondsBytes),
      grantKey: key(flags.grant),
      sessionKey: key(flags.session),
    }
  }

  return {
    /** Gives a unique `jti` for a token of `owner`. */
    seal(owner: TokenOwner, { issuedAt, grantId, sessionUid }: TokenParents): string {
      const head = Buffer.alloc(1 + millisecondsBytes)
      head[0] = (grantId === undefined ? 0 : flags.grant) | (sessionUid === undefined ? 0 : flags.session)
      head.writeUIntBE(issuedAt, 1, millisecondsBytes)
      const parts: Buffer[] = [head]
      if (grantId !== undefined) parts.push(rowId('Grant', grantId))
      if (sessionUid !== undefined) parts.push(sessionKey(sessionUid))
      return seal.seal(Buffer.concat(parts), context(owner)).toString('base64url')
    },

    /**
     * Whether the token is valid. A token of an account needs its grant. No end of the token,
     * grant, session, consent, account, client, key or everything may be as late as its issue.
     * Postgres decides at each call. Throws ArtifactStoreUnavailable.
     */
    async isAlive(jti: string, owner: TokenOwner, kid: string): Promise<boolean> {
      const roots = openRoots(jti, owner)
      if (!roots) return false
      const { issuedAt, grantKey, sessionKey: session } = roots
      const ends = [everything, endKey('token', jti), endKey('client', owner.clientId), endKey('signing_key', kid)]
      if (owner.accountId !== undefined) {
        ends.push(endKey('account', owner.accountId), consentKey(owner.accountId, owner.clientId))
      }
      if (grantKey) ends.push(grantKey)
      if (session) ends.push(session)
      // A token of an account always belongs to a grant.
      if (owner.accountId !== undefined && !grantKey) return false
      const { endedAt, hasGrant } = await reads.findGrantStatus({ ends, grantKey })
      return (grantKey === undefined || hasGrant) && (endedAt === undefined || issuedAt > endedAt)
    },
  }
}
