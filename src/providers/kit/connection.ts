/** What the settings of every source and connection have in common. */
import { type TSchema, Type } from "typebox";

/** A string that is a credential: configured as `env:NAME` or `file:/path`, redacted wherever it might be shown. */
export function secret(description: string) {
  return Type.String({ minLength: 1, secret: true, description });
}

/** Optional keys that every `connections.<name>` may have; spread into the provider's own object. */
export const commonConnection = {
  allowPrivate: Type.Optional(
    Type.Boolean({ description: "Whether private, loopback and link-local addresses may be called (default false)" }),
  ),
  concurrency: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 64, description: "Most deliveries that run at the same time" }),
  ),
  ratePerSecond: Type.Optional(
    Type.Number({ exclusiveMinimum: 0, maximum: 10_000, description: "Most deliveries per second" }),
  ),
} satisfies Record<string, TSchema>;
