/** Stand-ins for outside systems on loopback: strict about requests, with readable state. For the demo, the docs and tests. */
import { type Fault, type LoggedRequest, type Site, serve } from "./http.ts";
import type { SandboxSystem } from "./stand-in.ts";

type Systems = Readonly<Record<string, SandboxSystem>>;
type StateOf<System> = System extends SandboxSystem<infer State> ? State : never;
type AddressesOf<System> = System extends { addresses(...input: never[]): infer Addresses }
  ? Addresses
  : { url: string };

/** For each system its state, its address and its requests. */
export type Sandbox<All extends Systems> = {
  [Name in keyof All]: StateOf<All[Name]> & AddressesOf<All[Name]> & { calls: LoggedRequest[] };
} & {
  /** Adds a fault for coming requests; faults of one system apply in the order they were added. */
  fault(target: keyof All, fault: Fault): void;
  /** Closes all servers; hanging requests end too. */
  close(): Promise<void>;
};

/** Starts the systems on 127.0.0.1 with their initial state. */
export async function startSandbox<All extends Systems>(systems: All): Promise<Sandbox<All>> {
  const sites = new Map<keyof All, Site>();
  const close = async () => {
    await Promise.all([...sites.values()].map((site) => site.close()));
  };
  const byName: Record<string, object> = {};
  for (const [name, system] of Object.entries(systems)) {
    const state = system.initial();
    const site = await serve((request) => system.handle(state, request));
    sites.set(name, site);
    const addresses = system.addresses?.(site.url, state) ?? { url: site.url };
    byName[name] = Object.assign(state, addresses, { calls: site.calls });
  }
  return {
    ...byName,
    fault: (target: keyof All, fault: Fault) => sites.get(target)?.fault(fault),
    close,
  } as Sandbox<All>;
}
