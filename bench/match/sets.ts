/** Events and rules to match: land lots like those of the CityLots benchmark, and GitHub's pull requests. Always the same. */
import type { Json, JsonObject } from "../../src/model.ts";
import { pullRequest } from "../payload.ts";

/** A condition that every engine of the comparison can state. */
export interface Wanted {
  path: string;
  equals: Json;
}

export interface RuleSet {
  name: string;
  /** Of all its events. */
  type: string;
  /** JSON texts of events. */
  texts: readonly string[];
  /** The pattern of rule number i of `count`. */
  match(i: number, count: number): Record<string, unknown>;
  /** The same for the peers, when they can state it. */
  wanted?(i: number, count: number): Wanted[];
}

const EVENTS = 2_000;

/** Numbers from 0 to 1, as good as chance and always the same. https://github.com/bryc/code/blob/master/jshash/PRNGs.md (mulberry32) */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function event(type: string, rest: JsonObject): string {
  const times = { time: "2026-01-05T09:00:00.000Z", receivedAt: "2026-01-05T09:00:00.000Z" };
  return JSON.stringify({ id: "evt_bench", type, source: "bench", ...times, ...rest });
}

// ---------------------------------------------------------------- lots

const NAMES = ["JACKSON", "TAYLOR", "MISSION", "VALENCIA", "GEARY", "FOLSOM", "CASTRO", "NOE", "HAIGHT", "OAK"];
const LOTS = 200_000;
const lotNumber = (i: number) => String(1_000_000 + i);
const street = (i: number) => `${NAMES[i % NAMES.length]} ${i}`;
const STREETS = 2_000;

function lots(): string[] {
  const random = chance(1);
  return Array.from({ length: EVENTS }, () => {
    const lot = Math.floor(random() * LOTS);
    const [x, y] = [-122.5 + random() * 0.2, 37.7 + random() * 0.1];
    const corner = (dx: number, dy: number) => [x + dx, y + dy, 0];
    return event("lots.seen", {
      data: {
        type: "Feature",
        properties: {
          MAPBLKLOT: lotNumber(lot),
          BLKLOT: lotNumber(lot),
          BLOCK_NUM: String(lot % 6_000).padStart(4, "0"),
          LOT_NUM: String(lot % 400).padStart(3, "0"),
          FROM_ST: String(lot % 3_000),
          TO_ST: String(lot % 3_000),
          STREET: street(Math.floor(random() * STREETS)),
          ST_TYPE: "ST",
          ODD_EVEN: lot % 2 === 0 ? "E" : "O",
        },
        geometry: {
          type: "Polygon",
          coordinates: [
            [
              corner(0, 0),
              corner(0.001, 0),
              corner(0.001, 0.001),
              corner(0, 0.001),
              corner(-0.0005, 0.0005),
              corner(0, 0),
            ],
          ],
        },
      },
    });
  });
}

const LOT = "data.properties.MAPBLKLOT";
/** Spread over all lots, each number once. */
const lotOf = (i: number, count: number) => lotNumber(Math.floor((i * LOTS) / count));

// ---------------------------------------------------------------- pull requests

const repository = (i: number) => `acme/service-${i}`;
const REPOSITORIES = 1_000;
const BRANCHES = ["main", "main", "main", "release/1.2", "develop", "hotfix/login"];
const ACTIONS = ["opened", "synchronize", "closed", "closed", "labeled"];

/** GitHub names some fifty addresses in each of the repositories, and as much again for every person. */
function addresses(count: number): JsonObject {
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => [
      `part_${i}_url`,
      `https://api.example.com/repos/acme/service/part-${i}{/sha}`,
    ]),
  );
}

/** 5 to 30 KB each. */
function pullRequests(): string[] {
  const random = chance(2);
  return Array.from({ length: EVENTS / 4 }, (_, i) => {
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
    const { pull_request: pull, ...payload } = JSON.parse(pullRequest(i, 0).body.toString()) as Record<
      string,
      JsonObject
    >;
    const repo = repository(Math.floor(random() * REPOSITORIES));
    const size = 15 + Math.floor(random() * 95);
    const labels = Array.from({ length: Math.floor(random() * 5) }, () => ({
      id: i,
      name: `label ${Math.floor(random() * 1_000)}`,
      color: "ededed",
    }));
    return event("github.pull_request.closed", {
      repo,
      branch: pick(BRANCHES),
      number: i,
      title: `WEB-${i} add a login page`,
      actor: `user-${Math.floor(random() * 300)}`,
      tickets: [`WEB-${i}`],
      data: {
        ...payload,
        action: pick(ACTIONS),
        pull_request: {
          ...pull,
          labels,
          head: { ref: `feature/WEB-${i}`, sha: "2".repeat(40), repo: addresses(size) },
          base: { ref: "main", sha: "1".repeat(40), repo: addresses(size) },
        },
        repository: { full_name: repo, private: random() < 0.5, ...addresses(size) },
      },
    });
  });
}

/** As people write them: a repository and what happened there; some for a branch, a person, a label, a word in the title. */
function teamRule(i: number): Record<string, unknown> {
  const repo = repository(i % REPOSITORIES);
  const merged = { "data.action": "closed", "data.pull_request.merged": true };
  const kinds: Record<string, unknown>[] = [
    { repo, ...merged, branch: ["main", { prefix: "release/" }] },
    { repo, "data.action": ["opened", "reopened"] },
    { repo, ...merged, actor: [{ "anything-but": { suffix: "[bot]" } }] },
    { actor: `user-${i}`, "data.action": "opened" },
    { repo, "data.pull_request.labels.name": `label ${i}` },
    {
      "data.repository.full_name": [{ "equals-ignore-case": repo.toUpperCase() }],
      branch: [{ prefix: `hotfix/${i}` }],
    },
    { repo, $or: [{ branch: `release/${i}` }, { "data.pull_request.base.ref": `release/${i}` }] },
    { repo, number: [{ numeric: [">=", i, "<", i + 10] }] },
    { tickets: [{ prefix: `TEAM${i}-` }], ...merged },
    { repo, title: [{ wildcard: `*revert ${i}*` }] },
  ];
  return kinds[i % kinds.length]!;
}

// ---------------------------------------------------------------- the sets

export function sets(): RuleSet[] {
  const texts = lots();
  const one = (name: string, condition: (i: number, count: number) => unknown): RuleSet => ({
    name,
    type: "lots.seen",
    texts,
    match: (i, count) => ({ [LOT]: [condition(i, count)] }),
  });
  return [
    { ...one("lots, exact", lotOf), wanted: (i, count) => [{ path: LOT, equals: lotOf(i, count) }] },
    one("lots, prefix", (i, count) => ({ prefix: lotOf(i, count).slice(0, 6) + (i % 10) })),
    one("lots, suffix", (i, count) => ({ suffix: lotOf(i, count).slice(1) })),
    {
      name: "lots, equals-ignore-case",
      type: "lots.seen",
      texts,
      match: (i) => ({ "data.properties.STREET": [{ "equals-ignore-case": street(i).toLowerCase() }] }),
    },
    {
      name: "lots, three fields",
      type: "lots.seen",
      texts,
      match: (i) => ({
        "data.type": "Feature",
        "data.properties.ODD_EVEN": "O",
        "data.properties.STREET": street(i % STREETS),
        "data.properties.LOT_NUM": String(i % 400).padStart(3, "0"),
      }),
      wanted: (i) => [
        { path: "data.type", equals: "Feature" },
        { path: "data.properties.ODD_EVEN", equals: "O" },
        { path: "data.properties.STREET", equals: street(i % STREETS) },
        { path: "data.properties.LOT_NUM", equals: String(i % 400).padStart(3, "0") },
      ],
    },
    {
      name: "lots, numeric range",
      type: "lots.seen",
      texts,
      match: (i, count) => {
        const from = -122.5 + (i * 0.2) / count;
        return { "data.geometry.coordinates": [{ numeric: [">=", from, "<", from + 0.2 / count] }] };
      },
    },
    { name: "pull requests, mixed", type: "github.pull_request.closed", texts: pullRequests(), match: teamRule },
  ];
}
