/** What the settings of every source and connection have in common. */
import { Type } from "typebox";

/** A string that is a credential: configured as `env:NAME` or `file:/path`, redacted in all output. */
export function secret(description: string) {
  return Type.String({ minLength: 1, secret: true, description });
}
