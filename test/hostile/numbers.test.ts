/** No number of a body becomes another one on its way: digits that JavaScript cannot hold stay digits, as text. */
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memoryCache } from "../../src/cache/memory.ts";
import { createFlow } from "../../src/flow/flow.ts";
import { endOfString, type Json, parseJsonText } from "../../src/model/json.ts";
import { compilePolicy } from "../../src/policy/policy.ts";
import type { SharedNetwork } from "../../src/ports/network.ts";
import http from "../../src/providers/http/index.ts";
import { memoryStore } from "../../src/store/memory.ts";
import { woundClock } from "../support/clock.ts";
import { newEvent } from "../support/nouns.ts";
import { STORES } from "../support/stores.ts";
import { NO_NETWORK } from "../support/world.ts";

const runs = (numRuns: number) => ({ numRuns });

test("every whole number keeps its digits: as a number while JavaScript holds it, as text past that", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), fc.constantFrom("", " ", "\n"), (whole, space) => {
      const literal = String(whole);
      const { value, isExact } = parseJsonText(`{"a":[1,${space}${literal}${space}],"b":${literal}}`);
      expect(isExact).toBe(Number.isSafeInteger(Number(literal)));
      const wanted = isExact ? Number(literal) : literal;
      expect(value).toEqual({ a: [1, wanted], b: wanted });
      expect(parseJsonText(literal).value).toBe(wanted);
    }),
    runs(2_000),
  );
});

test("what JavaScript holds is what JSON.parse says, whatever texts and keys look like numbers", () => {
  const digits = fc.bigInt({ min: 0n, max: 10n ** 25n }).map(String);
  const text = fc.oneof(
    fc.string(),
    digits,
    digits.map((one) => `":${one},`),
    digits.map((one) => `\\": [${one}, "`),
  );
  const held = fc.letrec<{ json: Json }>((tie) => ({
    json: fc.oneof(
      { maxDepth: 4 },
      fc.oneof(
        text,
        fc.maxSafeInteger(),
        fc.boolean(),
        fc.constant(null),
        fc.double({ min: -1e15, max: 1e15, noNaN: true }),
      ),
      fc.array(tie("json"), { maxLength: 4 }),
      fc.dictionary(text, tie("json"), { maxKeys: 4 }),
    ),
  })).json;
  fc.assert(
    fc.property(held, fc.constantFrom(undefined, 2), (value, indent) => {
      const written = JSON.stringify(value, null, indent);
      expect(parseJsonText(written)).toEqual({ value: JSON.parse(written), isExact: true });
      const beside = parseJsonText(`{"held":${written},"large":1e400}`);
      expect(beside).toEqual({ value: { held: JSON.parse(written), large: "1e400" }, isExact: false });
    }),
    runs(2_000),
  );
});

test.each([
  ["1e400", "1e400"],
  ["-1e400", "-1e400"],
  ["1E+309", "1E+309"],
  ["1e-400", 0],
  ["12345678901234567.89", "12345678901234567.89"],
  ["9007199254740993.0", "9007199254740993.0"],
  ["9007199254740992", "9007199254740992"],
  ["9007199254740991", 9007199254740991],
  ["1e22", 1e22],
  ["1.5e300", 1.5e300],
  ["0.30000000000000004", 0.30000000000000004],
  ["0.1000000000000000055511151231257827", 0.1],
  ["0e999", 0],
  ["0.0000e-999", 0],
  ["123.000000000000000000000000", 123],
])("%s becomes %j", (literal, wanted) => {
  expect(parseJsonText(`{"n":${literal}}`).value).toEqual({ n: wanted });
});

test("a text that is no JSON is refused as ever", () => {
  for (const text of ["{", '{"a":01234567890123456789}', '{"a":1e}', '{"a":12345678901234567890', "NaN"]) {
    expect(() => parseJsonText(text)).toThrow(SyntaxError);
  }
});

test("the work grows with the text and not faster, whatever it is made of", () => {
  const texts = [
    `[${"0".repeat(0)}1${"0".repeat(400_000)}.${"0".repeat(400_000)}1]`,
    `["${'\\"'.repeat(400_000)}",1e400]`,
    `[${"1e400,".repeat(100_000)}1]`,
  ];
  for (const text of texts) expect(parseJsonText(text).isExact).toBe(false);
  expect(endOfString(`"${"\\\\".repeat(400_000)}"`, 0)).toBe(800_001);
});

describe.each(STORES)("$name store", ({ open }) => {
  test("keeps the text of a body as it was sent, and gives the same digits when it is read again", async () => {
    const { store, remove } = await open();
    const dataText = '{ "id": 9007199254740993, "ratio": 1.0 }';
    const event = newEvent("evt_1", { data: { id: "9007199254740993", ratio: 1 } });
    await store.append([{ ...event, dataText }]);
    expect((await store.event("evt_1"))?.event.data).toEqual(event.event.data);
    await remove();
  });
});

const RULES = `
- id: by-number
  event: http.received
  match: { data.build.id: "9007199254740993" }
  when: event.data.build.id == "9007199254740993" && int(event.data.build.id) == 9007199254740993
  do:
    - api.request:
        path: "/builds/{{event.data.build.id}}"
        json: { id: "{{event.data.build.id}}", all: "{{event.data.build}}", next: { cel: "string(int(event.data.build.id) + 1)" } }
- id: another
  event: http.received
  match: { data.build.id: "9007199254740992" }
  do: [{ api.request: { path: /wrong } }]
`;

test("the digits arrive in the rule, the expression, the path and the outgoing body, and come back in the answer", async () => {
  const clock = woundClock();
  const store = memoryStore();
  const sent: { url: string; body: unknown }[] = [];
  const network: SharedNetwork = {
    ...NO_NETWORK,
    during: () => network,
    http: {
      async request({ url, body }) {
        sent.push({ url, body: body === undefined ? undefined : JSON.parse(String(body)) });
        return { kind: "answered", status: 200, headers: {}, text: '{"id":9007199254740995,"size":1e400}', ms: 1 };
      },
    },
  };
  const action = http.connection.actions.request;
  const { policy, diagnostics } = compilePolicy(
    { "rules/a.yaml": RULES },
    { actions: new Map([["api.request", action]]) as never, vars: {} },
  );
  expect(diagnostics).toEqual([]);
  const verify = {
    kind: "hmac",
    digest: "sha256",
    encoding: "hex",
    signatureHeader: "x-s",
    key: "utf8",
    message: ["body"],
  };
  const flow = createFlow({
    ...{ node: "n", store, clock, cache: memoryCache({ clock }), observe: () => {} },
    policy: () => policy!,
    compile: () => undefined,
    connections: new Map([
      [
        "api",
        {
          config: { name: "api", provider: "http", settings: { url: "https://api.test" } },
          provider: http,
          network,
          concurrency: 1,
        },
      ],
    ]),
    sources: [
      {
        config: {
          name: "in",
          provider: "http",
          secrets: ["s".repeat(32)],
          settings: { verify, id: { field: "build.id" } },
        },
        ...{ source: http.source, network, paths: ["/in"], bodyBytesMax: 1e6 },
      },
    ],
  } as never);
  const post = (id: string) => {
    const body = Buffer.from(`{ "build": { "id": ${id}, "size": 1e400 } }`);
    const headers = {
      "content-type": "application/json",
      "x-s": createHmac("sha256", "s".repeat(32)).update(body).digest("hex"),
    };
    const request = { method: "POST", path: "/in", query: "", headers, body };
    return flow.receiver.receive(request, flow.receiver.route("/in")!, `req-${id}`);
  };
  expect(await post("9007199254740993")).toMatchObject({ kind: "stored", isDuplicate: false });
  // To JavaScript these are one number.
  expect(await post("9007199254740992")).toMatchObject({ kind: "stored", isDuplicate: false });
  await flow.settle();
  expect(sent).toEqual([
    {
      url: "https://api.test/builds/9007199254740993",
      body: { id: "9007199254740993", all: { id: "9007199254740993", size: "1e400" }, next: "9007199254740994" },
    },
    expect.objectContaining({ url: "https://api.test/wrong" }),
  ]);
  const { items } = await store.deliveries({}, { limit: 9 });
  expect(items.at(-1)?.result).toEqual({ status: 200, body: { id: "9007199254740995", size: "1e400" } });
  const { items: events } = await store.events({}, { limit: 9 });
  expect(events.map(({ event }) => event.delivery)).toEqual(["9007199254740992", "9007199254740993"]);
});
