/** The promises of every provider, as clauses that the test suite and `signalbox providers check` run. */
import type { Provider } from "../ports/provider.ts";
import type { StandIn } from "../sandbox/stand-in.ts";
import { actionClauses, connectionClauses } from "./actions.ts";
import { type Clause, demand } from "./clause.ts";
import { sourceClauses } from "./sources.ts";

/** All clauses for the provider. Actions are performed against a server on this machine; nothing else is called. */
export function clausesOf(provider: Provider, standIn: StandIn = {}): Clause[] {
  return [
    {
      subject: provider.name,
      text: "says what it is, and receives or does something",
      async hold() {
        demand(typeof provider.summary === "string" && provider.summary !== "", "summary is empty");
        demand(
          provider.source !== undefined || provider.connection !== undefined,
          "it has no source and no connection",
        );
      },
    },
    ...(provider.source === undefined ? [] : sourceClauses(provider, provider.source)),
    ...(provider.connection === undefined ? [] : connectionClauses(provider, provider.connection, standIn)),
    ...(provider.connection === undefined ? [] : actionClauses(provider, provider.connection, standIn)),
  ];
}
