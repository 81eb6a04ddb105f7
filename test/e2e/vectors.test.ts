/** The recorded requests of test/fixtures/vectors, sent to the running server: what is valid gets in, all else gets 401. */
import { readdirSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { type Started, startEngine } from "../support/engine.ts";

interface Vector {
  id: string;
  secret?: string | string[];
  headers: Record<string, string>;
  body: string;
  now?: number;
  expect: { valid: boolean; reason?: string };
}

interface File {
  name: string;
  provider?: string;
  verifier: Record<string, unknown> | null;
  vectors: Vector[];
}

const FOLDER = new URL("../fixtures/vectors/", import.meta.url);
/** Kinds that the verifier of an `http` source declares with a secret. */
const KINDS = ["hmac", "rsa", "ed25519", "static", "bearer", "basic", "jwt-body-hash"];

const files: File[] = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".json"))
  .map((name) => ({ ...JSON.parse(readFileSync(new URL(name, FOLDER), "utf8")), name: name.replace(".json", "") }))
  .filter(({ verifier }) => verifier && KINDS.includes(verifier.kind));

const isFit = (secret: string) => secret.startsWith("-----BEGIN") || (secret.trim() === secret && secret.length >= 16);

/** One source for each scheme and set of secrets; without a secret, or with a short one, a source cannot even be configured. */
const cases = files.flatMap((file) =>
  file.vectors.flatMap((vector) => {
    const secrets = [vector.secret ?? []].flat();
    const configurable = secrets.length > 0 && secrets.every((secret) => isFit(secret));
    return configurable ? [{ file, vector, secrets, source: `${file.name}-${JSON.stringify(secrets)}` }] : [];
  }),
);
const sources = [...new Set(cases.map(({ source }) => source))];

let nowMs = 0;
let started: Started;

beforeAll(async () => {
  const env: Record<string, string> = {};
  const entries = sources.map((source, index) => {
    const { file, secrets } = cases.find((one) => one.source === source)!;
    secrets.forEach((secret, at) => {
      env[`S${index}_${at}`] = secret;
    });
    const given = secrets.map((_, at) => `env:S${index}_${at}`);
    return [`s${index}`, { provider: "http", secrets: given, verify: file.verifier, dedupe: "0s" }];
  });
  started = await startEngine(
    {
      "signalbox.yaml": JSON.stringify({
        sources: Object.fromEntries(entries),
        server: { host: "127.0.0.1", port: 0, admin: { port: 0 } },
      }),
    },
    env,
    { clock: { ...systemClock, now: () => nowMs }, secretsAreWords: true },
  );
});
afterAll(() => started.stop());

/** node:http sends headers and bytes as they are; fetch would add a content type. */
function send(source: number, { headers, body }: Vector): Promise<number> {
  const { hostname, port } = new URL(started.ingestUrl);
  return new Promise((resolve, reject) => {
    const outgoing = request({ hostname, port, method: "POST", path: `/hooks/s${source}`, headers }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode ?? 0));
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

describe.each([...new Set(cases.map(({ file }) => file.name))])("%s", (name) => {
  const own = cases.filter(({ file }) => file.name === name);
  test.each(own.map(({ vector, source }) => [vector.id, vector, sources.indexOf(source)] as const))(
    "%s",
    async (_id, vector, source) => {
      nowMs = (vector.now ?? 1_767_603_600) * 1000;
      const status = await send(source, vector);
      // Several valid ones sign what is no JSON object: let in by the signature, then refused as a body.
      if (vector.expect.valid) expect([200, 202, 400]).toContain(status);
      else expect(status).toBe(401);
    },
  );
});
