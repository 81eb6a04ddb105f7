/** What every source promises. New providers join by themselves; their `settings` schema gives an example when {} is none. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memoryCache } from "../../src/cache/memory.ts";
import { validatorFor } from "../../src/core/check.ts";
import { STATUSES } from "../../src/model.ts";
import { httpClient } from "../../src/network/http.ts";
import type { EventDraft, Normalised, RawRequest, Sample, Source, SourceConfig } from "../../src/ports/provider.ts";
import { loadProviders } from "../../src/providers/index.ts";

const NOW = Date.parse("2026-01-05T09:00:00Z");
/** Long enough for every scheme, and base64 for those that want it. */
const SECRET = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const context = {
  nowMs: NOW,
  cache: memoryCache({ clock: { now: () => NOW, monotonic: () => 0, sleep: async () => {} } }),
  http: httpClient({ allowPrivate: false, redact: (text) => text }),
};

const providers = [...(await loadProviders()).values()].filter(({ source }) => source !== undefined);

test("there are sources", () => {
  expect(providers.map(({ name }) => name)).toEqual(expect.arrayContaining(["github", "http"]));
});

test("a provider is found by its file, and must be named like it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "providers-"));
  const write = (file: string, text: string) => writeFileSync(join(folder, file), text);
  write("package.json", '{"type":"module"}');
  write("gitea.js", 'export default { name: "gitea", summary: "x" };');
  write("index.js", "throw new Error('not a provider');");
  write("gitea.js.map", "{}");
  write("gitea.d.ts", "");
  expect([...(await loadProviders(folder)).keys()]).toEqual(["gitea"]);
  write("gogs.js", 'export default { name: "gitea", summary: "x" };');
  await expect(loadProviders(folder)).rejects.toThrow("named like the file");
  rmSync(folder, { recursive: true });
});

function requestOf(headers: Record<string, string>, body: string | Uint8Array): RawRequest {
  return { method: "POST", path: "/", query: "", headers, body: Buffer.from(body) };
}

function draftOf(normalised: Normalised): EventDraft {
  if (normalised.kind !== "events") throw new Error(`No event: ${JSON.stringify(normalised)}`);
  return normalised.events[0] as EventDraft;
}

function expectTyped(draft: EventDraft): void {
  const { data, dataText, number, tickets, status, time, ...texts } = draft;
  for (const [name, value] of Object.entries(texts)) {
    expect(typeof value, name).toBe("string");
    expect(value, name).not.toBe("");
  }
  expect(draft.type).toMatch(/^[a-z0-9][a-z0-9._-]{0,255}$/);
  if (number !== undefined) expect(Number.isSafeInteger(number)).toBe(true);
  if (status !== undefined) expect(STATUSES).toContain(status);
  if (time !== undefined) expect(new Date(time).toISOString()).toBe(time);
  if (tickets !== undefined) {
    expect(tickets.length).toBeGreaterThan(0);
    for (const ticket of tickets) expect(ticket).toMatch(/^[A-Z][A-Z0-9_]+-\d+$/);
  }
  expect(Object.getPrototypeOf(data)).toBe(Object.prototype);
  if (dataText !== undefined) expect(JSON.parse(dataText)).toEqual(data);
}

describe.each(providers.map((provider) => [provider.name, provider] as const))("%s", (name, provider) => {
  const source = provider.source as Source;
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

  test("says what it is and checks its settings", () => {
    expect(source.summary).not.toBe("");
    const check = validatorFor(source.settings);
    expect(check(settings)).toEqual([]);
    expect(check({ ...settings, unknownSetting: 1 })).not.toEqual([]);
    for (const type of Object.keys(source.events)) expect(type).toMatch(new RegExp(`^${name}\\.[a-z0-9._-]+$`));
  });

  test("has a sample that can be sent", () => {
    expect(source.sign === undefined ? 1 : samples.length).toBeGreaterThan(0);
  });

  const signable = source.sign && needsSecret ? samples : [];
  describe.each(signable)("%s", (type, sample) => {
    test("is verified as it is sent, and normalised to a documented type", async () => {
      const request = signed(sample());
      expect(await source.verify(request, own, context)).toMatchObject({ ok: true });
      const normalised = source.normalise(request, own, NOW);
      if (normalised.kind === "answer") return;
      const draft = draftOf(normalised);
      expectTyped(draft);
      // A name beside the types is one more sample of a documented type.
      if (draft.type !== type) expect(Object.keys(source.events)).toContain(draft.type);
      expect(draft.data).toEqual(sample().body);
    });

    test("is refused unsigned", async () => {
      const { headers, body } = sample();
      const verdict = await source.verify(requestOf(headers, JSON.stringify(body)), own, context);
      expect(verdict).toMatchObject({ ok: false });
    });

    test("is refused without a secret, with an empty one and with another one", async () => {
      const request = signed(sample());
      for (const secrets of [[], [""], ["", " "]]) {
        expect(await source.verify(request, config(secrets), context)).toMatchObject({
          ok: false,
          reason: "no_secret",
        });
      }
      expect(await source.verify(request, config([SECRET.toLowerCase()]), context)).toMatchObject({ ok: false });
    });

    test("is verified by any of several secrets", async () => {
      const verdict = await source.verify(signed(sample()), config([SECRET.toLowerCase(), SECRET]), context);
      expect(verdict).toMatchObject({ ok: true, secretIndex: 1 });
    });

    test("is refused when one byte was changed", async () => {
      const request = signed(sample());
      await fc.assert(
        fc.asyncProperty(fc.nat(request.body.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
          const body = Buffer.from(request.body);
          body[at] = (body[at] ?? 0) ^ flip;
          return !(await source.verify({ ...request, body }, own, context)).ok;
        }),
        { numRuns: 30 },
      );
    });

    test("may hold fields that nobody knows", () => {
      const { headers, body } = sample();
      const known = source.normalise(requestOf(headers, JSON.stringify(body)), own, NOW);
      if (known.kind === "answer") return;
      const more = JSON.stringify({ ...body, x_unheard_of: { deep: [1, null] } });
      expect(draftOf(source.normalise(requestOf(headers, more), own, NOW)).type).toBe(draftOf(known).type);
    });

    test("normalises to the same thing every time", () => {
      const request = signed(sample());
      expect(source.normalise(request, own, NOW)).toEqual(source.normalise(request, own, NOW));
    });
  });

  describe("whatever a verified body holds, it is an event or malformed", () => {
    const headerSets = [{ "content-type": "application/json" }, ...samples.map(([, sample]) => sample().headers)];
    const headers = fc
      .tuple(fc.constantFrom(...headerSets), fc.constantFrom(...source.contentTypes))
      .map(([set, type]) => ({ ...set, "content-type": type === "*" ? "application/json" : type }));
    const normalised = (given: Record<string, string>, body: string | Uint8Array) => {
      const result = source.normalise(requestOf(given, body), own, NOW);
      if (result.kind === "events") for (const draft of result.events) expectTyped(draft);
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

    test.each([
      ["a list", "[1]"],
      ["a text", '"x"'],
      ["null", "null"],
      ["nothing", ""],
      ["half of it", '{"a":'],
      ["a hundred thousand levels", `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`],
      ["broken UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ])("%s is malformed", (_what, body) => {
      const given = { ...headerSets.at(-1), "content-type": "application/json" };
      expect(normalised(given, body)).toMatchObject({ kind: "malformed" });
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
