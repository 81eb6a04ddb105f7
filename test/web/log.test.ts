import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MASK } from "../../src/log/redact.ts";
import { createLogger, type LoggerLevel, type LoggerOptions } from "../../src/log.ts";
import type { Observation } from "../../src/ports/observe.ts";

function keptLog(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  return { lines, log: createLogger({ level: "debug", secrets: [], pretty: false, destination, ...options }) };
}

const parsed = (lines: string[]) => lines.map((line) => JSON.parse(line) as Record<string, unknown>);

describe("a line", () => {
  test("is one JSON object with time, level, message and fields", () => {
    const { lines, log } = keptLog();
    log.info("Policy loaded", { rules: 3 });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/\}\n$/);
    const [line] = parsed(lines);
    expect(line).toMatchObject({ level: "info", message: "Policy loaded", rules: 3 });
    expect(Date.parse(String(line?.time))).toBeGreaterThan(0);
    expect(line).not.toHaveProperty("pid");
    expect(line).not.toHaveProperty("hostname");
  });

  test.each<[LoggerLevel, string[]]>([
    ["debug", ["debug", "info", "warn", "error"]],
    ["info", ["info", "warn", "error"]],
    ["warn", ["warn", "error"]],
    ["error", ["error"]],
    ["silent", []],
  ])("is written at level %s only for %j", (level, written) => {
    const { lines, log } = keptLog({ level });
    for (const each of ["debug", "info", "warn", "error"] as const) log[each](each);
    expect(parsed(lines).map((line) => line.level)).toEqual(written);
  });

  test("holds an error with its cause, and whatever else cannot be written is no crash", () => {
    const { lines, log } = keptLog({ secrets: ["hunter22"] });
    const error = new Error("outer", { cause: new Error("inner hunter22") });
    const round: Record<string, unknown> = { big: 1n, f() {} };
    round.self = round;
    log.error("Broken", { error, round });
    expect(lines[0]).toContain("outer");
    expect(lines[0]).toContain(`inner ${MASK}`);
    expect(lines[0]).not.toContain("hunter22");
  });
});

describe("a readable line", () => {
  test("is time, level, message, then key=value", () => {
    const { lines, log } = keptLog({ pretty: true });
    log.warn("Request refused", {
      source: "github",
      reason: "no header",
      ms: 1.5,
      list: ["a"],
      error: new TypeError("x y"),
    });
    expect(lines[0]).toMatch(
      /^\d\d:\d\d:\d\d warn {2}Request refused source=github reason="no header" ms=1.5 list=\["a"\] error="TypeError: x y"\n$/,
    );
  });

  test("shows control characters as what they are", () => {
    const { lines, log } = keptLog({ pretty: true });
    log.info("a\nb\u001b[2J", { value: "\u009b" });
    expect(lines[0]).toMatch(/ info {2}a\\u000ab\\u001b\[2J value=\\u009b\n$/);
  });

  test("stays one line and moves no cursor, whatever a sender wrote", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (message, value) => {
        const { lines, log } = keptLog({ pretty: true });
        log.info(`${message}\n\u001b[2J`, { value, [`k${value}`]: `${value}\u009b1m` });
        expect(lines).toHaveLength(1);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters it is about.
        expect(lines[0]?.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
      }),
    );
  });
});

describe("a secret", () => {
  const SECRET = 'p/ä+s "w&rd=\\7?';
  const escaped = JSON.stringify(SECRET).slice(1, -1);
  const basic = (user: string) => Buffer.from(`${user}:${SECRET}`).toString("base64");

  test.each<[string, string]>([
    ["as it is", SECRET],
    ["inside JSON", escaped],
    ["inside JSON inside JSON", JSON.stringify(escaped).slice(1, -1)],
    ["inside a URL", encodeURIComponent(SECRET)],
    ["inside a URL, hex in lower case", encodeURIComponent(SECRET).replace(/%../g, (hex) => hex.toLowerCase())],
    ["inside a form", new URLSearchParams([["", SECRET]]).toString().slice(1)],
    ["as Base64", Buffer.from(SECRET).toString("base64")],
    ["as Base64 for URLs", Buffer.from(SECRET).toString("base64url")],
    ["as Basic credentials, no name", basic("")],
    ["as Basic credentials, name of one letter", basic("u")],
    ["as Basic credentials, name of two letters", basic("me")],
    ["as Basic credentials for URLs", basic("someone@example.org").replaceAll("+", "-").replaceAll("/", "_")],
  ])("%s never reaches a line", (_name, form) => {
    for (const pretty of [false, true]) {
      const { lines, log } = keptLog({ secrets: [SECRET], pretty });
      log.info(`Called with ${form} today`, { form, deep: [{ at: `x ${form} y` }], [`key ${form}`]: 1 });
      expect(lines[0]).not.toContain(form);
      expect(lines[0]).not.toContain(JSON.stringify(form).slice(1, -1));
      expect(lines[0]).toContain(`Called with ${MASK} today`);
      expect(log.redact(`x ${form} y`)).toBe(`x ${MASK} y`);
    }
  });

  test("made of anything is masked wherever it stands, and the line stays JSON", () => {
    const secret = fc
      .string({ minLength: 4, maxLength: 40, unit: "grapheme" })
      .filter((text) => text.trim().length >= 4);
    fc.assert(
      fc.property(secret, fc.string(), fc.string(), (value, before, after) => {
        fc.pre(!`"level":"info","time","message","field","number"${MASK}`.includes(value));
        const { lines, log } = keptLog({ secrets: [value] });
        log.info(`${before}${value}${after}`, { field: { field: [`${before}${value}${after}`] } });
        const line = JSON.parse(lines[0]!) as { message: string; field: { field: string[] } };
        expect(line.message.includes(value)).toBe(false);
        expect(line.field.field[0]?.includes(value)).toBe(false);
      }),
    );
  });

  test("of digits is masked inside numbers too", () => {
    const { lines, log } = keptLog({ secrets: ["12345678"] });
    log.info("x", { number: 9123456780 });
    expect(parsed(lines)[0]).toMatchObject({ number: MASK });
  });

  test("too short to be one, or empty, masks nothing", () => {
    const { log } = keptLog({ secrets: ["", "abc"] });
    expect(log.redact("abc def")).toBe("abc def");
  });

  test("that we were never told gives itself away by its key", () => {
    const { lines, log } = keptLog();
    const fields = { Authorization: "x", "x-gitlab-token": "x", clientSecret: "x", PASSWORD: "x", "set-cookie": ["x"] };
    log.info("x", { headers: { ...fields, api_key: { a: "x" } }, tokenized: "kept", secret: null, hasToken: true });
    expect(parsed(lines)[0]).toMatchObject({
      headers: { ...Object.fromEntries(Object.keys(fields).map((key) => [key, MASK])), api_key: MASK },
      tokenized: "kept",
      secret: null,
      hasToken: true,
    });
  });

  test.each([
    ["Authorization: Basic dXNlcjpwYXNz", `Authorization: Basic ${MASK}`],
    ["with Bearer sbx_abc123def456 sent", `with Bearer ${MASK} sent`],
    ["redis://me:pass@host:6379/1", `redis://me:${MASK}@host:6379/1`],
    ["GET /x?access_token=abc&y=1", `GET /x?access_token=${MASK}&y=1`],
    ["Basic authentication is off, bearer token missing", "Basic authentication is off, bearer token missing"],
    ["token=abc", `token=${MASK}`],
    ["http://host:8080/a@b", "http://host:8080/a@b"],
  ])("%s is shown as %s", (text, shown) => {
    expect(keptLog().log.redact(text)).toBe(shown);
  });
});

describe("an observation", () => {
  const received = { kind: "received", source: "github", ms: 1, requestId: "r1" } as const;
  const decided = { kind: "decided", event: "e", type: "t", matched: [] as string[], considered: 1, ms: 1 } as const;
  const attempted = { kind: "attempted", delivery: "d", action: "a.b", attempt: 1, ms: 1, detail: "x" } as const;
  const table: [Observation, string | undefined, string][] = [
    [{ ...received, status: 202 }, "debug", "Event received"],
    [{ ...received, status: 200, duplicate: true }, "debug", "Event received again"],
    [{ ...received, status: 401, code: "SB0503" }, "warn", "Request refused"],
    [{ ...received, status: 503, code: "SB0507" }, "error", "Request failed"],
    [{ ...decided, problems: [] }, "debug", "Event decided"],
    [{ ...decided, problems: ["SB0402"] }, "warn", "Event decided with problems"],
    [{ ...attempted, outcome: "done", dead: false }, "info", "Delivery done"],
    [{ ...attempted, outcome: "retry", dead: false }, "info", "Delivery is tried again"],
    [{ ...attempted, outcome: "uncertain", dead: false }, "warn", "Delivery is uncertain"],
    [{ ...attempted, outcome: "rejected", dead: false }, "warn", "Delivery rejected"],
    [{ ...attempted, outcome: "retry", dead: true }, "error", "Delivery is dead"],
    [{ kind: "fired", machine: "m", key: "k", timer: "t", lateMs: 3 }, "debug", "Timer fired"],
    [{ kind: "stored", operation: "append", rows: 1, ms: 5 }, undefined, ""],
    [{ kind: "stored", operation: "append", rows: 1, ms: 5000 }, "warn", "Store is slow"],
    [{ kind: "policy", ok: true, revision: "r", problems: 0 }, "info", "Policy loaded"],
    [{ kind: "policy", ok: false, revision: "r", problems: 2 }, "error", "Policy rejected, the last good one stays"],
    [{ kind: "cache", ok: true, detail: "" }, "info", "Cache reached"],
    [{ kind: "cache", ok: false, detail: "refused" }, "warn", "Cache not reached, work goes on without it"],
    [{ kind: "fault", where: "advance", message: "x" }, "error", "Fault"],
  ];
  test.each(table)("%j is level %s", (observation, level, message) => {
    const { lines, log } = keptLog();
    log.observer(observation);
    const expected = level === undefined ? [] : [{ level, message }];
    expect(parsed(lines).map((line) => ({ level: line.level, message: line.message }))).toEqual(expected);
  });

  test("is told with its fields, the request's id among them", () => {
    const { lines, log } = keptLog();
    log.observer({ ...received, status: 401, code: "SB0503", reason: "signature_mismatch" });
    expect(parsed(lines)[0]).toMatchObject({ requestId: "r1", source: "github", reason: "signature_mismatch" });
    log.observer({ kind: "fault", where: "advance", message: "no disk" });
    expect(parsed(lines)[1]).toMatchObject({ message: "Fault", where: "advance", detail: "no disk" });
  });
});
