/** Stand-ins for outside systems: strict in the sandbox, scripted for the contract of providers. */
import type { JsonObject, Outcome } from "../model.ts";
import type { SandboxRequest, SandboxResponse } from "./http.ts";

/** How the outside system behaves while an action is performed. `breaks`: it reads the request, then ends the connection without a response. */
export type Behaviour<Answer> =
  | { kind: "confirms"; action: string }
  | { kind: "breaks" }
  /** Takes no request, and gives back all that it was sent. */
  | { kind: "refuses" }
  | { kind: "answers"; answer: Answer };

export interface StandInServer {
  /** Settings of a connection to the stand-in; keys that the provider does not have are left out. */
  settings: JsonObject;
  /** The requests; `reads`: the request changes nothing. */
  requests: readonly { text: string; reads: boolean }[];
  close(): Promise<void>;
}

export interface ExpectedOutcome {
  kind: Outcome["kind"];
  afterMs?: number;
  status?: number;
}

/** A way to talk to systems, for the contract: what only it can say, and what that means. */
export interface Transport<Answer = unknown> {
  /** Starts on 127.0.0.1. */
  listen(behaviour: Behaviour<Answer>): Promise<StandInServer>;
  /** Answers and the outcome that each of them has; without one it is any but done. */
  answers: readonly { says: string; answer: Answer; outcome?: ExpectedOutcome }[];
}

/** Action → method → what the system answers when all is well. */
export type HttpAnswers = Readonly<Record<string, Record<string, { status: number; body?: unknown }>>>;

/** A system over real HTTP on loopback: strict about requests, its state readable and changeable. */
// biome-ignore lint/suspicious/noExplicitAny: the state is the system's own.
export interface SandboxSystem<State extends object = any> {
  initial(): State;
  /** Answers one request as the system would, changing the state. */
  handle(state: State, request: SandboxRequest): SandboxResponse;
  /** Where it is reached, when that is more than the root as `url`. */
  addresses?(root: string, state: State): { url: string };
}

/** The default export of stand-in.ts in a provider's folder, or of <name>.stand-in.js beside its file. */
export interface StandIn {
  /** For the contract, where the system speaks HTTP; absent = 200 and {"ok":true} to everything. */
  answers?: HttpAnswers;
  /** For the contract, where it speaks something else. */
  // biome-ignore lint/suspicious/noExplicitAny: what answers are is the transport's own.
  transport?: Transport<any>;
  /** For the demo, the docs and tests. */
  system?: SandboxSystem;
}
