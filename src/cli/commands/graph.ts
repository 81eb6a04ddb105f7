/** `graph`: machines as diagrams, from the files alone; with --counts also how many instances are in each state. */
import { writeFileSync } from "node:fs";
import { extname, parse, resolve } from "node:path";
import type { ApiClient } from "../../api/client.ts";
import { actionCatalogue } from "../../config/config.ts";
import type { CompiledMachine } from "../../core/machine/file/compile.ts";
import { dot, type Graph, graphOf, mermaid, withCounts } from "../../core/machine/graph/graph.ts";
import { messageOf, SignalboxError } from "../../errors.ts";
import { createDrawing, THEMES } from "../../graph/svg.ts";
import { cutText, type Instance } from "../../model.ts";
import { isMachineFile, isTemplateFile } from "../../policy/files.ts";
import { compilePolicy, readPolicyFiles } from "../../policy/policy.ts";
import { type CommandBody, notFound, type Options, textOf, usage } from "../command.ts";
import { ConfigError, type Context, document } from "../context.ts";
import { withApi, withPolicyTexts } from "../reach.ts";
import { EXIT } from "../terminal/failure.ts";
import { counted, safe, table } from "../terminal/output.ts";

const FORMATS = ["mermaid", "dot", "svg", "json"] as const;
type GraphFormat = (typeof FORMATS)[number];

const ENDINGS: Readonly<Record<string, GraphFormat>> = {
  ".mmd": "mermaid",
  ".mermaid": "mermaid",
  ".dot": "dot",
  ".gv": "dot",
  ".svg": "svg",
  ".json": "json",
};

/** The largest page of the API. */
const PAGE = 200;

export const graph: CommandBody = {
  about:
    "server: only for counts.\nWithout a machine it lists them. Works on files alone: no network, and no secret has to be set.",
  flags: [
    { flags: "--format <format>", about: "default mermaid, or that of the file's ending", choices: FORMATS },
    { flags: "-o, --output <file>", about: "the file to write: .mmd, .dot, .svg or .json" },
    { flags: "--counts", about: "how many instances are in each state; implied by --url" },
    {
      flags: "--theme <theme>",
      about: "colours of an SVG, default auto: light or dark as the reader's system is",
      choices: THEMES,
    },
  ],
  examples: [
    "signalbox graph jira-ticket",
    "signalbox graph jira-ticket -o jira-ticket.svg --counts",
    "signalbox graph deploy-gate --format dot | dot -Tpdf > deploy-gate.pdf",
  ],
  async run(context, [name], options) {
    const format = formatOf(context, options);
    const machines = await machinesOf(context, name);
    const shouldCount = options.counts === true || textOf(options, "url") !== undefined;
    const graphs = shouldCount ? await countedGraphs(context, machines) : machines.map(graphOf);
    const [only] = graphs;
    if (name !== undefined && only !== undefined) await writeGraph(context, only, format ?? "mermaid");
    else if (format === "json" && textOf(options, "output") === undefined) {
      context.shell.out(document("GraphList", { graphs }));
    } else if (format === undefined) list(context, graphs);
    else throw usage(`Say which machine to draw: ${graphs.map(({ id }) => id).join(", ") || "there is none"}`);
    return EXIT.done;
  },
};

/** The format of the flags, else that of the file's ending; undefined = neither is given. */
function formatOf({ json }: Context, options: Options): GraphFormat | undefined {
  const file = textOf(options, "output");
  const namedFormat = FORMATS.find((format) => format === textOf(options, "format"));
  const format = json && file === undefined ? "json" : (namedFormat ?? (file && ENDINGS[extname(file).toLowerCase()]));
  if (file !== undefined && !format) {
    throw usage(`Cannot tell the format from "${file}"; end it in .mmd, .dot, .svg or .json, or add --format`);
  }
  if (options.theme !== undefined && format !== "svg") throw usage("--theme is for SVG; add --format svg");
  return format || undefined;
}

/** The named machine, or all of them. Rejects with the problems of their files. */
async function machinesOf(context: Context, name: string | undefined): Promise<CompiledMachine[]> {
  const config = await context.config({ offline: true });
  const files = await withPolicyTexts(config, readPolicyFiles(config.dir));
  const machineFiles = Object.keys(files).filter(isMachineFile);
  if (name !== undefined && !machineFiles.some((file) => idOf(file) === name)) {
    throw notFound("machine", name, machineFiles.map(idOf));
  }
  // Mistakes in rules and in other machines are no reason not to draw this one.
  const needed = Object.entries(files).filter(
    ([file]) => isTemplateFile(file) || (isMachineFile(file) && (name === undefined || idOf(file) === name)),
  );
  const actions = actionCatalogue(config.connections, await context.providers());
  const { policy, diagnostics } = compilePolicy(Object.fromEntries(needed), { actions, vars: config.vars });
  if (!policy) throw new ConfigError({ diagnostics, fileTexts: new Map(needed) });
  return [...policy.machines.values()];
}

function idOf(file: string): string {
  return parse(file).name;
}

async function writeGraph(context: Context, graph: Graph, format: GraphFormat): Promise<void> {
  const { options, shell } = context;
  const text = await graphText(graph, format, options);
  const file = textOf(options, "output");
  if (file === undefined) {
    shell.out(text);
    return;
  }
  try {
    writeFileSync(resolve(shell.cwd, file), text);
  } catch (error) {
    throw new SignalboxError("SB0901", `"${file}" cannot be written: ${messageOf(error)}`, { cause: error });
  }
  context.print("GraphFile", { machine: graph.id, format, file }, () => `${safe(file)} shows ${graph.id}\n`);
}

async function graphText(graph: Graph, format: GraphFormat, options: Options): Promise<string> {
  switch (format) {
    case "mermaid":
      return mermaid(graph);
    case "dot":
      return dot(graph);
    case "svg":
      return await createDrawing()(graph, THEMES.find((theme) => theme === options.theme) ?? "auto");
    case "json":
      return document("Graph", graph);
  }
}

function list({ shell, paint }: Context, graphs: readonly Graph[]): void {
  const rows = graphs.map(({ id, description = "", nodes, edges }) => [
    id,
    counted(nodes.length - 1, "state"),
    counted(edges.length, "transition"),
    nodes[0]?.count === undefined ? "" : counted(nodes[0].count, "instance"),
    paint.dim(cutText(safe(description), 80)),
  ]);
  const headers = ["MACHINE", "STATES", "TRANSITIONS", "INSTANCES", "DESCRIPTION"];
  shell.out(rows.length > 0 ? table(headers, rows, paint) : "no machine is in statemachines/\n");
}

// ---------------------------------------------------------------- counts

async function countedGraphs(context: Context, machines: readonly CompiledMachine[]): Promise<Graph[]> {
  return await withApi(context, async (api) => {
    const graphs: Graph[] = [];
    for (const machine of machines) {
      const { byState, stray, failed } = await countsOf(api, machine);
      if (stray > 0) context.note(`${counted(stray, "instance")} of ${machine.id} in states that it no longer has`);
      if (failed > 0) context.note(`${counted(failed, "instance")} of ${machine.id} ended in error, not counted`);
      graphs.push(withCounts(graphOf(machine), byState));
    }
    return graphs;
  });
}

interface StateCounts {
  /** Instances by state; an instance counts for the outer states too. */
  byState: Map<string, number>;
  /** Instances of another definition in a state that this one does not have. */
  stray: number;
  failed: number;
}

async function countsOf(api: ApiClient, { id, interpreter }: CompiledMachine): Promise<StateCounts> {
  const counts: StateCounts = { byState: new Map(), stray: 0, failed: 0 };
  for await (const { status, state } of instancesOf(api, id)) {
    const active = interpreter.activeStates(state);
    if (status === "error") counts.failed += 1;
    else if (active === undefined) counts.stray += 1;
    else for (const node of active) counts.byState.set(node.id, (counts.byState.get(node.id) ?? 0) + 1);
  }
  return counts;
}

async function* instancesOf(api: ApiClient, machine: string): AsyncGenerator<Instance> {
  let cursor: string | undefined;
  do {
    const page = await api.listInstances({
      query: { machine, limit: PAGE, ...(cursor === undefined ? {} : { cursor }) },
    });
    yield* page.items;
    cursor = page.cursor;
  } while (cursor !== undefined);
}
