/** Stand-ins for the outside on loopback: real HTTP, strict about requests, readable state. For the demo, the docs and tests. */
import { type Call, type Fault, type Site, serve } from "./http.ts";
import type { SandboxSystem } from "./stand-in.ts";

type Systems = Readonly<Record<string, SandboxSystem>>;
type StateOf<System> = System extends SandboxSystem<infer State> ? State : never;
type AddressesOf<System> = System extends { addresses(...given: never[]): infer Addresses }
  ? Addresses
  : { url: string };

/** Per system its state, where it is reached, and what it was asked. */
export type Sandbox<All extends Systems> = {
  [Name in keyof All]: StateOf<All[Name]> & AddressesOf<All[Name]> & { calls: Call[] };
} & {
  /** Scripts what happens to coming requests; scripts of one target apply in the order they were given. */
  fault(target: keyof All, fault: Fault): void;
  /** Ends all of them, hanging requests included. */
  close(): Promise<void>;
};

/** Starts the systems on 127.0.0.1 with their initial state. */
export async function startSandbox<All extends Systems>(systems: All): Promise<Sandbox<All>> {
  const sites = new Map<keyof All, Site>();
  const close = async () => {
    await Promise.all([...sites.values()].map((site) => site.close()));
  };
  const started: Record<string, object> = {};
  for (const [name, system] of Object.entries(systems)) {
    const state = system.initial();
    const site = await serve((request) => system.handle(state, request));
    sites.set(name, site);
    const addresses = system.addresses?.(site.url, state) ?? { url: site.url };
    started[name] = Object.assign(state, addresses, { calls: site.calls });
  }
  return {
    ...started,
    fault: (target: keyof All, fault: Fault) => sites.get(target)?.fault(fault),
    close,
  } as Sandbox<All>;
}
