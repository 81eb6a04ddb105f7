/** `providers`: the outside systems, what they send and what can be done there. */
import { cutText } from "../../model.ts";
import type { Action, Provider } from "../../ports/provider.ts";
import { type CommandBody, notFound } from "../command.ts";
import { sampleNames } from "../samples.ts";
import { EXIT } from "../terminal/failure.ts";
import { aligned, type Paint } from "../terminal/output.ts";
import { providersCheck } from "./providers-check.ts";

export const providers: CommandBody = {
  about: "server: no.",
  examples: ["signalbox providers", "signalbox providers jira", "signalbox providers --json"],
  async run(context, [name]) {
    const all = await context.providers();
    const named = name === undefined ? undefined : all.get(name);
    if (name !== undefined && !named) throw notFound("provider", name, [...all.keys()]);
    const selectedProviders = named ? [named] : [...all.values()];
    context.print("ProviderList", { providers: selectedProviders.map(providerJson) }, () => {
      return name === undefined
        ? overview(selectedProviders, context.paint)
        : selectedProviders.map((one) => page(one, context.paint)).join("");
    });
    return EXIT.done;
  },
  verbs: [providersCheck],
};

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
  const exampleText = `- ${name}: ${JSON.stringify(example)}`;
  return `${paint.bold(`.${name}`)}  ${summary}  ${paint.dim(`(idempotency: ${idempotency})`)}\n${aligned(rows, "  ")}  ${paint.dim(cutText(exampleText, 400))}\n`;
}

interface ParameterSchema {
  type?: string | string[];
  description?: string;
  anyOf?: ParameterSchema[];
  const?: unknown;
  enum?: unknown[];
  properties?: Record<string, ParameterSchema>;
  required?: string[];
}

/** The parameters of an action's schema, those of its alternatives together. */
function parameters(schema: object): { key: string; type: string; required: boolean; about: string }[] {
  const form = schema as ParameterSchema;
  const alternatives = [form, ...(form.anyOf ?? [])];
  const all = new Map<string, { key: string; type: string; required: boolean; about: string }>();
  for (const { properties = {}, required = [] } of alternatives) {
    for (const [key, described] of Object.entries(properties)) {
      const about = described.description ?? "";
      if (!all.has(key)) all.set(key, { key, type: typeText(described), required: required.includes(key), about });
    }
  }
  return [...all.values()];
}

function typeText({ type, anyOf, const: only, enum: choices }: ParameterSchema): string {
  if (only !== undefined) return JSON.stringify(only);
  if (choices) return choices.map((one) => JSON.stringify(one)).join(" | ");
  if (anyOf) return cutText([...new Set(anyOf.map(typeText))].join(" | "), 60);
  return [type ?? "anything"].flat().join(" | ");
}
