/** What every source promises whatever arrives, in random cases. New providers join by themselves; their `settings` schema gives an example when {} is none. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memoryCache } from "../../src/cache/memory.ts";
import { demandTyped } from "../../src/contract/sources.ts";
import { createNetwork } from "../../src/network/network.ts";
import type { RawRequest, Sample, SourceConfig, Webhook } from "../../src/ports/provider.ts";
import { loadProviders } from "../../src/providers/index.ts";

const NOW = Date.parse("2026-01-05T09:00:00Z");
/** Long enough for every scheme, and base64 for those that want it. */
const SECRET = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const context = {
  nowMs: NOW,
  cache: memoryCache({ clock: { now: () => NOW, monotonic: () => 0, sleep: async () => {} } }),
  network: createNetwork({ allowPrivate: false, redact: (text) => text }),
};

const providers = [...(await loadProviders()).values()].filter(({ source }) => source?.kind === "webhook");

test("there are sources", () => {
  expect(providers.map(({ name }) => name)).toEqual(expect.arrayContaining(["github", "http"]));
});

function requestOf(headers: Record<string, string>, body: string | Uint8Array): RawRequest {
  return { method: "POST", path: "/", query: "", headers, body: Buffer.from(body) };
}

describe.each(providers.map((provider) => [provider.name, provider] as const))("%s", (name, provider) => {
  const source = provider.source as Webhook;
  const settings = (source.settings as { examples?: [object] }).examples?.[0] ?? {};
  const config = (secrets: string[]): SourceConfig =>
    ({ name: `${name}-test`, provider: name, secrets, settings }) as SourceConfig;
  const own = config([SECRET]);
  const samples = Object.entries(source.events).flatMap(([type, { sample }]) =>
    sample ? [[type, sample] as const] : [],
  );
  const signed = (sample: Sample): RawRequest => {
    const headers = { ...sample.headers, ...source.sign?.(sample, own, NOW) };
    return requestOf(headers, JSON.stringify(sample.body));
  };
  const needsSecret =
    typeof source.needsSecret === "function" ? source.needsSecret(settings as never) : source.needsSecret;

  test.each(source.sign && needsSecret ? samples : [])(
    "%s is refused when any byte was changed",
    async (_type, sample) => {
      const request = signed(sample());
      await fc.assert(
        fc.asyncProperty(fc.nat(request.body.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
          const body = Buffer.from(request.body);
          body[at] = (body[at] ?? 0) ^ flip;
          return !(await source.verify({ ...request, body }, own, context)).ok;
        }),
        { numRuns: 30 },
      );
    },
  );

  describe("whatever a verified body holds, it is an event or malformed", () => {
    const headerSets = [{ "content-type": "application/json" }, ...samples.map(([, sample]) => sample().headers)];
    const headers = fc
      .tuple(fc.constantFrom(...headerSets), fc.constantFrom(...source.contentTypes))
      .map(([set, type]) => ({ ...set, "content-type": type === "*" ? "application/json" : type }));
    const normalised = (given: Record<string, string>, body: string | Uint8Array) => {
      const result = source.normalise(requestOf(given, body), own, NOW);
      if (result.kind === "events") for (const draft of result.events) demandTyped(draft);
      return result;
    };

    test("random bytes", () => {
      fc.assert(fc.property(headers, fc.uint8Array({ maxLength: 200 }), (given, body) => void normalised(given, body)));
    });

    test("random JSON", () => {
      fc.assert(fc.property(headers, fc.json(), (given, body) => void normalised(given, body)));
    });

    test("samples in which any value is another", () => {
      const changed = fc
        .tuple(
          fc.constantFrom(...(samples.length > 0 ? samples : [["", () => ({ headers: {}, body: {} })] as const])),
          fc.nat(),
          fc.jsonValue(),
        )
        .map(([[, sample], at, value]) => {
          const { headers: given, body } = sample();
          const holders: [object, string][] = [];
          JSON.stringify(body, function (this: object, key, inner) {
            if (key !== "") holders.push([this, key]);
            return inner;
          });
          const [holder, key] = holders[at % Math.max(1, holders.length)] ?? [{}, "x"];
          (holder as Record<string, unknown>)[key] = value;
          return { given, body };
        });
      fc.assert(
        fc.property(changed, ({ given, body }) => void normalised(given, JSON.stringify(body))),
        { numRuns: 500 },
      );
    });

    test("a key named __proto__ reaches no prototype", () => {
      const [[, sample] = []] = samples;
      const { headers: given, body } = sample?.() ?? { headers: {}, body: {} };
      const inner = '{"polluted":true}';
      for (const spelling of ["__proto__", "\\u005f_proto__"]) {
        const text = `{"${spelling}":${inner},"nested":[{"${spelling}":${inner}}],${JSON.stringify(body).slice(1)}`;
        const result = normalised({ ...given, "content-type": "application/json" }, text);
        expect(JSON.stringify(result)).not.toContain("polluted");
        expect(({} as Record<string, unknown>).polluted).toBeUndefined();
      }
    });
  });
});
