/** HTTP's side of the engine's door: refusing by header what it would refuse less clearly, and reading a form as it was sent. */
import type { Context, Middleware } from 'koa'
import type { AppError } from '../errors.ts'
import { formType, guardBodies, readFormText } from './body.ts'
import { methodNotAllowed } from './errors.ts'

export type DoorKeeper = Readonly<{
  /** The body as sent, still encoded. Throws 415, 413 or 400. */
  readFormText: (ctx: Context) => Promise<string>
  /** 415 or 413 by header; the body stays unread. */
  guardForms: Middleware
  /** 405; `allow` becomes the Allow header. */
  methodNotAllowed: (allow: string) => AppError
}>

export const createDoorKeeper = (): DoorKeeper => ({
  readFormText: (ctx) => readFormText(ctx),
  guardForms: guardBodies({ types: [formType] }),
  methodNotAllowed: (allow) => methodNotAllowed({ params: { allow } }),
})
