/** The bindings of `raw` that knex's own types refuse: knex hands lists and buffers to pg as they are. */
import type { Knex } from 'knex'

declare module 'knex' {
  namespace Knex {
    type Bindable = string | number | boolean | null | Date | Buffer | readonly Bindable[]

    // biome-ignore lint/nursery/useShorthandFunctionType: an interface adds to the one of knex, a type would take its place
    interface RawBuilder<TRecord extends {}, TResult> {
      (sql: string, bindings: readonly Bindable[] | Readonly<Record<string, Bindable>>): Knex.Raw<TResult>
    }
  }
}
