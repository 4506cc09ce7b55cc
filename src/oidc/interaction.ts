/** The engine's interactions, for the pages of sign-in and consent. */
import type { Context } from 'koa'
import type { Interaction as EngineInteraction, InteractionResults, Provider } from 'oidc-provider'
import { errors } from 'oidc-provider'
import type { Decision, Outcomes } from '../../adapters/outcomes.ts'
import type { Interaction, Interactions, PromptName } from '../authentication/interaction.ts'
import type { Tx } from '../database/database.ts'
import { routes } from './endpoints.ts'
import { interactionAnswered, interactionExpired } from './errors.ts'
import type { InteractionCookie } from './interaction-cookie.ts'
import { clientView } from './pages.ts'
import { acrReason, demandIn } from './policy.ts'

type PromptDetails = {
  missingOIDCScope?: string[]
  missingOIDCClaims?: string[]
  missingResourceScopes?: Record<string, string[]>
}

type Deps = {
  provider: () => Provider
  cookie: InteractionCookie
  /** The generation in the row of the session that this request has loaded. */
  generationOf: (sessionUid: string) => number
  outcomes: Pick<Outcomes, 'decide' | 'wasJustAnswered'>
  /** Sets the answer that this request gives. */
  setAnswer: (uid: string, answer: string) => void
}

const continueUrl = (uid: string): string => `${routes.authorization}/${uid}`

export function createInteractions({ provider, cookie, generationOf, outcomes, setAnswer }: Deps): Interactions {
  async function details(ctx: Context, uid: string): Promise<EngineInteraction> {
    try {
      const interaction = await provider().interactionDetails(ctx.req, ctx.res)
      // The cookie is bound to the path, and the user can type any path.
      if (interaction.uid !== uid) throw interactionExpired()
      if (!cookie.isKnown(ctx, uid)) throw interactionExpired()
      return interaction
    } catch (error) {
      if (error instanceof errors.SessionNotFound) throw interactionExpired({ cause: error })
      throw error
    }
  }

  async function load(ctx: Context, uid: string): Promise<Interaction> {
    const interaction = await details(ctx, uid)
    const clientId = String(interaction.params.client_id)
    const client = await provider().Client.find(clientId)
    if (!client?.redirectUriAllowed(String(interaction.params.redirect_uri))) throw interactionExpired()
    const promptDetails = interaction.prompt.details as PromptDetails
    return {
      currentLogin: await currentLoginOf(interaction),
      answeredUrl: interaction.result && continueUrl(uid),
      demand: demandIn(interaction.params, client),
      uid,
      prompt: interaction.prompt.name as PromptName,
      clientId,
      client: clientView(client, interaction.params.redirect_uri),
      accountId: interaction.session?.accountId,
      sessionUid: interaction.session?.uid,
      params: interaction.params,
      missing: {
        scopes: promptDetails.missingOIDCScope ?? [],
        claims: promptDetails.missingOIDCClaims ?? [],
        resources: promptDetails.missingResourceScopes ?? {},
      },
    }
  }

  async function currentLoginOf({ prompt, session }: EngineInteraction): Promise<Interaction['currentLogin']> {
    const isOnlyStronger = prompt.name === 'login' && prompt.reasons.every((reason) => reason === acrReason)
    const { accountId, uid } = session ?? {}
    if (!isOnlyStronger || !accountId || !uid) return undefined
    const found = await provider().Session.findByUid(uid)
    if (found?.accountId !== accountId || found.loginTs === undefined) return undefined
    return { accountId, generation: generationOf(uid), amr: found.amr ?? [], authTimeMs: found.loginTs * 1000 }
  }

  async function abandon(ctx: Context, uid: string): Promise<void> {
    await (await details(ctx, uid)).destroy()
    cookie.clear(ctx, uid)
  }

  /**
   * Decides the interaction together with other writes that depend on the answer; `finish` decides
   * when nothing else does. An interaction has one outcome in all processes.
   * Gives true the first time, and false for the same answer a moment later. Throws
   * interaction_answered.
   */
  const decide = async (tx: Tx, uid: string, answer: string): Promise<boolean> =>
    isFirst(await outcomes.decide(tx, uid, answer))

  function isFirst(decision: Decision): boolean {
    if (decision === 'other') throw interactionAnswered()
    return decision === 'first'
  }

  async function loadForAnswer(
    ctx: Context,
    uid: string,
    answer: string,
  ): Promise<Interaction | { continueTo: string }> {
    try {
      return await load(ctx, uid)
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'interaction_expired') throw error
      if (!cookie.isKnown(ctx, uid) || !(await outcomes.wasJustAnswered(uid, answer))) throw error
      return { continueTo: continueUrl(uid) }
    }
  }

  async function finish(ctx: Context, result: InteractionResults, answer: string): Promise<string> {
    const uid = ctx.cookies.get(provider().cookieName('interaction'), { signed: true })
    if (uid === undefined || !cookie.isKnown(ctx, uid)) throw interactionExpired()
    // The statement that writes the answer decides: of different answers the first one wins.
    setAnswer(uid, answer)
    return provider().interactionResult(ctx.req, ctx.res, result, { mergeWithLastSubmission: !('error' in result) })
  }

  async function leaveSession(ctx: Context, uid: string): Promise<void> {
    const interaction = await details(ctx, uid)
    const sessionUid = interaction.session?.uid
    const session = sessionUid === undefined ? undefined : await provider().Session.findByUid(sessionUid)
    await session?.destroy()
    interaction.session = undefined
    await interaction.persist()
  }

  return { load, loadForAnswer, decide, finish, abandon, leaveSession }
}
