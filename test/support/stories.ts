/** What golden stories are told with: the shipped policy, a team's sources, and every provider's connection under its own name. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { memoryCache } from "../../src/cache/memory.ts";
import { actionCatalogue } from "../../src/config/config.ts";
import type { Decision, Json, JsonObject } from "../../src/model.ts";
import { type PolicyFiles, readPolicyFiles } from "../../src/policy/policy.ts";
import type { SourceConfig, Webhook } from "../../src/ports/provider.ts";
import type { Store } from "../../src/ports/store.ts";
import { loadProviders } from "../../src/providers/index.ts";
import { runStory } from "../../src/rehearsal/run.ts";
import { readStories, type Story } from "../../src/rehearsal/story.ts";
import type { Project } from "../../src/rehearsal/world.ts";
import { NO_NETWORK } from "./world.ts";

export const ROOT = new URL("../..", import.meta.url).pathname;
const SECRET = "a secret of the stories";

const providers = await loadProviders();
export const shippedFiles = await readPolicyFiles(ROOT);

const SOURCES: readonly SourceConfig[] = [
  { name: "github", provider: "github", secrets: [SECRET], settings: {} },
  {
    name: "reports",
    provider: "http",
    secrets: [SECRET],
    settings: {
      verify: {
        kind: "hmac",
        digest: "sha256",
        encoding: "hex",
        signatureHeader: "x-signature",
        key: "utf8",
        message: ["body"],
      },
      type: { field: "event" },
      attributes: { title: "app", status: "state", actor: "by", url: "url" },
    },
  },
];

const connections = [...providers.values()].flatMap((provider) => {
  const { name, connection } = provider;
  const config = { name, provider: name, settings: {} as JsonObject };
  return connection === undefined ? [] : [{ config, provider, network: NO_NETWORK, concurrency: 16 }];
});

const PROJECT: Project = {
  sources: SOURCES.map((config) => ({
    config,
    source: providers.get(config.provider)!.source as Webhook,
    network: NO_NETWORK,
    paths: [`/hooks/${config.name}`],
    bodyBytesMax: 1024 * 1024,
  })),
  connections: new Map(connections.map((one) => [one.config.name, one])),
  actions: actionCatalogue(connections, providers),
  vars: {},
  resultOf,
};

function resultOf(action: string, { issue = "", to = "", channel = "" }: JsonObject): Json {
  switch (action) {
    case "jira.transition":
      return { issue, from: "In Review", to, transition: "Move" };
    case "jira.read":
      return { issue, status: "In Review" };
    case "slack.post":
      return { ts: "1503435956.000247", channel };
    default:
      return { url: "https://example.com/1" };
  }
}

/** All stories of test/scenarios. Throws with every mistake in the files. */
export function shippedStories(files: PolicyFiles = shippedFiles): Story[] {
  const names = readdirSync(join(ROOT, "test/scenarios")).filter((name) => name.endsWith(".yaml"));
  return names.flatMap((name) => {
    const file = `test/scenarios/${name}`;
    const { stories, diagnostics: problems } = readStories(file, readFileSync(join(ROOT, file), "utf8"), files);
    const lines = problems.map(({ line, message }) => `${file}:${line} ${message}`);
    if (lines.length > 0) throw new Error(lines.join("\n"));
    return stories;
  });
}

/** Every decision of the story. Throws with the place in its file and the difference when it comes out otherwise. */
export async function tell(story: Story, store: Store, schedules: Project["schedules"] = []): Promise<Decision[]> {
  const { decisions, failure } = await runStory({ ...PROJECT, schedules }, story, {
    store,
    cache: (clock) => memoryCache({ clock }),
  });
  if (failure === undefined) return decisions;
  const error = new Error(`${story.file}:${failure.line} ${failure.message}`);
  error.stack = `${error.message}\n    at story (${join(ROOT, story.file)}:${failure.line}:1)`;
  throw error;
}
