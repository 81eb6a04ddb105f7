/** `providers check`: holds providers to the contract of the shipped ones. */
import { dirname, resolve } from "node:path";
import type { Clause } from "../../contract/clause.ts";
import { messageOf } from "../../errors.ts";
import { type Command, notFound } from "../command.ts";
import { EXIT } from "../terminal/failure.ts";
import { counted } from "../terminal/output.ts";

export const providersCheck: Command = {
  name: "check [names...]",
  summary: "hold providers to the contract: the project's own, or those that are named",
  about: "server: no. Actions are performed against a server on this machine; nothing else is called.",
  examples: ["signalbox providers check", "signalbox providers check gotify", "signalbox providers check --json"],
  async run(context, names) {
    const { dir, file } = context.project();
    const project = file === undefined ? dir : dirname(resolve(dir, file));
    const { loadStandIn, ownProviders } = await import("../../providers/index.ts");
    const { clausesOf } = await import("../../contract/contract.ts");
    const all = await context.providers();
    const checkedNames = names.length > 0 ? names : await ownProviders(project);
    const results: ClauseResult[] = [];
    for (const name of checkedNames) {
      const provider = all.get(name);
      if (!provider) throw notFound("provider", name, [...all.keys()]);
      for (const clause of clausesOf(provider, await loadStandIn(name, project))) {
        results.push({ provider: name, ...(await clauseResult(clause)) });
      }
    }
    const brokenClauses = results.filter(({ problem }) => problem !== undefined);
    context.print("ProviderCheck", { ok: brokenClauses.length === 0, clauses: results }, () => {
      if (checkedNames.length === 0) return "No provider to check: the project has no providers/\n";
      const { paint } = context;
      const lines = brokenClauses.map(
        ({ subject, text, problem }) => `${paint.red("✗")} ${subject} ${text}\n  ${problem}\n`,
      );
      const sum = `${counted(results.length, "promise")}, ${brokenClauses.length} broken: ${checkedNames.join(", ")}\n`;
      return `${lines.join("")}${brokenClauses.length === 0 ? paint.green("✓") : paint.red("✗")} ${sum}`;
    });
    return brokenClauses.length === 0 ? EXIT.done : EXIT.no;
  },
};

interface ClauseResult {
  provider: string;
  subject: string;
  text: string;
  /** Absent = it holds. */
  problem?: string;
}

async function clauseResult({ subject, text, hold }: Clause): Promise<Omit<ClauseResult, "provider">> {
  try {
    await hold();
    return { subject, text };
  } catch (error) {
    return { subject, text, problem: messageOf(error) };
  }
}
