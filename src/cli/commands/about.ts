/** `providers`, `schema`, `version`, and `replay`, which only says what to write instead. */
import { readdirSync, readFileSync } from "node:fs";
import { nearest, SignalboxError } from "../../errors.ts";
import { API_VERSION, CODE, VERSION } from "../../package.ts";
import type { Action, Provider } from "../../ports/provider.ts";
import { type CommandBody, usage } from "../command.ts";
import type { Context } from "../context.ts";
import { sampleNames } from "../samples.ts";
import { EXIT } from "../terminal/failure.ts";
import { aligned, cut, type Paint } from "../terminal/output.ts";
import { providersCheck } from "./providers-check.ts";

export const providers: CommandBody = {
  about: "server: no.",
  examples: ["signalbox providers", "signalbox providers jira", "signalbox providers --json"],
  async run(context, [name]) {
    const all = await context.providers();
    const chosen = name === undefined ? [...all.values()] : [all.get(name) ?? unknownProvider(name, [...all.keys()])];
    context.answer("ProviderList", { providers: chosen.map(providerJson) }, () => {
      return name === undefined
        ? overview(chosen, context.paint)
        : chosen.map((one) => page(one, context.paint)).join("");
    });
    return EXIT.done;
  },
  verbs: [providersCheck],
};

function unknownProvider(name: string, known: readonly string[]): never {
  const near = nearest(name, known);
  throw new SignalboxError("SB0905", `There is no provider "${name}"${near ? `; did you mean "${near}"?` : ""}`);
}

function providerJson({ name, summary, docs, source, connection }: Provider): object {
  return {
    name,
    summary,
    docs,
    source: source && {
      summary: source.summary,
      settings: source.settings,
      events: Object.entries(source.events).map(([type, event]) => ({
        type,
        summary: event.summary,
        sample: event.sample !== undefined,
      })),
    },
    connection: connection?.settings,
    actions: Object.entries(connection?.actions ?? {}).map(([action, described]) => {
      const { summary: does, params, example, result, idempotency } = described;
      return { name: action, summary: does, params, example, result, idempotency };
    }),
  };
}

function overview(all: readonly Provider[], paint: Paint): string {
  const rows = all.map(({ name, summary, source, connection }) => [
    paint.bold(name),
    source ? "✓ source" : paint.dim("· no source"),
    Object.keys(connection?.actions ?? {}).join(", ") || paint.dim("no actions"),
    paint.dim(summary),
  ]);
  return `${aligned(rows)}\nmore: signalbox providers <name>\n`;
}

function page({ name, summary, docs, source, connection }: Provider, paint: Paint): string {
  const parts = [`${paint.bold(name)}  ${summary}\n${docs ? `${paint.dim(docs)}\n` : ""}`];
  if (source) {
    const samples = new Set(sampleNames(source));
    const rows = Object.entries(source.events).map(([type, event]) => [
      type,
      event.summary,
      samples.has(type) ? paint.dim("sample") : "",
    ]);
    parts.push(`source: ${source.summary}\n${aligned(rows, "  ")}`);
  }
  for (const [action, described] of Object.entries(connection?.actions ?? {}))
    parts.push(actionPage(action, described, paint));
  return parts.join("\n");
}

function actionPage(name: string, { summary, params, example, idempotency }: Action, paint: Paint): string {
  const rows = parameters(params).map(({ key, type, required, about }) => [
    paint.bold(key),
    type,
    required ? "required" : "",
    paint.dim(about),
  ]);
  const written = `- ${name}: ${JSON.stringify(example)}`;
  return `${paint.bold(`.${name}`)}  ${summary}  ${paint.dim(`(idempotency: ${idempotency})`)}\n${aligned(rows, "  ")}  ${paint.dim(cut(written, 400))}\n`;
}

interface Described {
  type?: string | string[];
  description?: string;
  anyOf?: Described[];
  const?: unknown;
  enum?: unknown[];
  properties?: Record<string, Described>;
  required?: string[];
}

/** The parameters of an action's schema, those of its alternatives together. */
function parameters(schema: object): { key: string; type: string; required: boolean; about: string }[] {
  const form = schema as Described;
  const forms = [form, ...(form.anyOf ?? [])];
  const all = new Map<string, { key: string; type: string; required: boolean; about: string }>();
  for (const { properties = {}, required = [] } of forms) {
    for (const [key, described] of Object.entries(properties)) {
      const about = described.description ?? "";
      if (!all.has(key)) all.set(key, { key, type: typeText(described), required: required.includes(key), about });
    }
  }
  return [...all.values()];
}

function typeText({ type, anyOf, const: only, enum: choices }: Described): string {
  if (only !== undefined) return JSON.stringify(only);
  if (choices) return choices.map((one) => JSON.stringify(one)).join(" | ");
  if (anyOf) return cut([...new Set(anyOf.map(typeText))].join(" | "), 60);
  return [type ?? "anything"].flat().join(" | ");
}

const SCHEMAS = new URL("../schema/", CODE);

export const schema: CommandBody = {
  about: "server: no.",
  examples: ["signalbox schema", "signalbox schema rules", "signalbox schema signalbox > schema/signalbox.json"],
  async run(context, [name]) {
    const names = schemaNames();
    if (name === undefined) {
      context.answer("SchemaList", { schemas: names }, () => `${names.join("\n")}\n`);
      return EXIT.done;
    }
    const near = nearest(name, names);
    if (!names.includes(name)) {
      throw new SignalboxError("SB0905", `There is no schema "${name}"${near ? `; did you mean "${near}"?` : ""}`);
    }
    context.shell.out(schemaText(name));
    return EXIT.done;
  },
};

/** Names of the shipped schemas. */
export function schemaNames(): string[] {
  return readdirSync(SCHEMAS)
    .filter((file) => file.endsWith(".json"))
    .map((file) => file.replace(/\.json$/, ""));
}

export function schemaText(name: string): string {
  return readFileSync(new URL(`${name}.json`, SCHEMAS), "utf8");
}

export const version: CommandBody = {
  about: "server: no.",
  examples: ["signalbox version", "signalbox version --json", "signalbox --version"],
  async run(context: Context) {
    const { nodeVersion, platform } = context.shell;
    const facts = { version: VERSION, api: API_VERSION, node: nodeVersion, platform };
    context.answer("Version", facts, () => `signalbox ${VERSION}  node ${nodeVersion}  ${platform}\n`);
    return EXIT.done;
  },
};

export const replay: CommandBody = {
  examples: [
    "signalbox explain evt_01JD3VKX9M",
    "signalbox events redeliver evt_01JD3VKX9M",
    "signalbox deliveries retry dlv_01JD3VKX9M",
  ],
  run() {
    const ways =
      '"explain" has no side effects, "events redeliver" runs actions again, "deliveries retry" runs one of them';
    throw usage(`Replay is ambiguous here: ${ways}`);
  },
};
