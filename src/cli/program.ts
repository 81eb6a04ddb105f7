/** The command line: commands as data → commander → exit code. */
import { Command as Commander, CommanderError, Option } from "commander";
import { nearest, SignalboxError } from "../errors.ts";
import { inert, inertOutput } from "../model.ts";
import { VERSION } from "../package.ts";
import { type CommandBody, type Flag, type Headline, type Options, usage } from "./command.ts";
import { GROUPS, type ListedCommand, loadCommand, replay } from "./commands/index.ts";
import { createContext } from "./context.ts";
import type { Shell } from "./shell.ts";
import { EXIT, reportFailure } from "./terminal/failure.ts";
import { paintWith, wantsColor } from "./terminal/output.ts";

const GLOBAL_FLAGS: readonly Flag[] = [
  {
    flags: "-C, --dir <path>",
    about: "the project's folder (SIGNALBOX_DIR; default: the nearest with signalbox.yaml)",
  },
  { flags: "-c, --config [file]", about: "the configuration (SIGNALBOX_CONFIG)" },
  { flags: "--url <url>", about: "a running server's admin address (SIGNALBOX_URL)" },
  { flags: "--token-file <file>", about: "holds the API token (or SIGNALBOX_TOKEN); never an argument" },
  { flags: "--timeout <duration>", about: "how long to wait for an answer, default 10s" },
  { flags: "--json", about: "one JSON document on standard output" },
  { flags: "--color <when>", about: "colour (NO_COLOR, FORCE_COLOR)", choices: ["auto", "always", "never"] },
  { flags: "--no-color", about: "the same as --color never" },
  { flags: "--utc", about: "times in UTC instead of local time" },
  { flags: "-q, --quiet", about: "no remarks on standard error" },
  { flags: "-v, --verbose", about: "more remarks on standard error" },
  { flags: "--yes", about: "answers every question with yes" },
  { flags: "--no-input", about: "asks nothing; a question becomes exit 2" },
];

/** Runs one command line to its end. Never rejects. */
export async function run(rawShell: Shell): Promise<number> {
  const shell = guarded(rawShell);
  let code: number = EXIT.done;
  try {
    const program = await build(shell, (exit) => {
      code = exit;
    });
    await program.parseAsync([...shell.argv], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done;
    return failWith(shell, error instanceof CommanderError ? usageErrorOf(error) : error);
  }
}

/** Prints why the command line failed and returns the exit code. */
export function failWith(rawShell: Shell, error: unknown): number {
  const shell = guarded(rawShell);
  const color = wantsColor(colorFlag(shell.argv), shell.env, shell.tty.err);
  return reportFailure(shell, error, { json: shell.argv.includes("--json"), color, paint: paintWith(color) });
}

/** The only way to the terminal: what a sender, a file or a server wrote cannot steer it, whichever command prints it. */
function guarded(shell: Shell): Shell {
  const outColor = wantsColor(colorFlag(shell.argv), shell.env, shell.tty.out);
  const errColor = wantsColor(colorFlag(shell.argv), shell.env, shell.tty.err);
  return {
    ...shell,
    out: (text) => shell.out(inertOutput(text, { color: outColor })),
    err: (text) => shell.err(inertOutput(text, { color: errColor })),
    ask: (question) => shell.ask(inert(question)),
  };
}

async function build(shell: Shell, setExitCode: (exit: number) => void): Promise<Commander> {
  const program = new Commander("signalbox")
    .description("Verified webhooks in, declarative rules and state machines in the middle, Jira, Slack and HTTP out")
    .version(VERSION, "-V, --version", "prints the version")
    .helpOption("-h, --help", "prints help")
    .configureHelp({ showGlobalOptions: true, helpWidth: 110 })
    .configureOutput({ writeOut: (text) => shell.out(text), writeErr: () => {}, outputError: () => {} })
    .exitOverride();
  for (const flag of GLOBAL_FLAGS) program.addOption(optionOf(flag));
  for (const [group, commands] of Object.entries(GROUPS)) {
    for (const command of await loadNamed(commands, shell))
      add(program, command, setExitCode, shell).helpGroup(`To ${group}:`);
  }
  for (const command of await loadNamed([replay], shell)) add(program, command, setExitCode, shell, { hidden: true });
  const names = program.commands.map((command) => command.name());
  orNearest(program, names, () => shell.out(overview()));
  return program;
}

type LoadedCommand = Headline & Partial<CommandBody>;

/** Loads the commands whose name is a word of the command line. For the others help needs the headline only. */
function loadNamed(commands: readonly ListedCommand[], { argv }: Shell): Promise<LoadedCommand[]> {
  return Promise.all(
    commands.map((command) => {
      const names = [command.name.split(" ")[0], ...(command.aliases ?? [])];
      return argv.some((word) => names.includes(word)) ? loadCommand(command) : command;
    }),
  );
}

function add(
  parent: Commander,
  command: LoadedCommand,
  setExitCode: (exit: number) => void,
  shell: Shell,
  { hidden = false } = {},
): Commander {
  const [name = "", ...args] = command.name.split(" ");
  const verbCommand = parent.command(name, { hidden }).summary(command.summary).description(descriptionOf(command));
  for (const arg of args) verbCommand.argument(arg);
  verbCommand.aliases([...(command.aliases ?? [])]);
  for (const flag of command.flags ?? []) verbCommand.addOption(optionOf(flag));
  const { run: perform, verbs = [], examples } = command;
  if (examples === undefined) return verbCommand;
  verbCommand.addHelpText("after", `\nExamples:\n${examples.map((line) => `  $ ${line}\n`).join("")}`);
  for (const verb of verbs) add(verbCommand, verb, setExitCode, shell);
  if (perform) {
    verbCommand.action(async () => {
      const options = verbCommand.optsWithGlobals<Options>();
      // Only doctor accepts --config without a file: it prints the settings in force.
      if (options.config === true && name !== "doctor") throw usage("-c, --config needs the name of a file");
      setExitCode(await perform(createContext(shell, options), verbCommand.args, options));
    });
  } else {
    const verbNames = verbs.map((verb) => verb.name.split(" ")[0] ?? "");
    orNearest(verbCommand, verbNames, () => {
      throw usage(`signalbox ${name} needs one of: ${verbNames.join(", ")}`);
    });
  }
  return verbCommand;
}

/** Without a name runs `bare`; for an unknown name rejects with the nearest one. */
function orNearest(command: Commander, names: readonly string[], bare: () => void): void {
  command.usage("<command> [options]").argument("[name]").allowExcessArguments().allowUnknownOption();
  command.action(() => {
    const [typedName] = command.args;
    if (typedName === undefined) return bare();
    const [what, candidates] = typedName.startsWith("-") ? ["option", flagsOf(command)] : ["command", names];
    const near = nearest(typedName, candidates);
    const advice = near === undefined ? `${commandPath(command)} --help lists them` : `did you mean "${near}"?`;
    throw usage(`"${typedName}" is not a known ${what}; ${advice}`);
  });
}

function flagsOf(command: Commander): string[] {
  const own = command.options.flatMap(({ long }) => long ?? []);
  return command.parent ? [...own, ...flagsOf(command.parent)] : own;
}

function commandPath(command: Commander): string {
  return command.parent ? `${commandPath(command.parent)} ${command.name()}` : command.name();
}

function descriptionOf({ summary, about }: LoadedCommand): string {
  const sentence = `${summary[0]?.toUpperCase()}${summary.slice(1)}.`;
  return about === undefined ? sentence : `${sentence} ${about}`;
}

function optionOf({ flags, about, choices, repeats }: Flag): Option {
  const option = new Option(flags, about);
  if (choices) option.choices(choices);
  if (repeats) option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]);
  if (flags === "-v, --verbose") option.argParser((_: string, before: number | undefined) => (before ?? 0) + 1);
  return option;
}

/** Commander's message without "error:", and with the nearest name in the same sentence. */
function usageErrorOf(error: CommanderError): SignalboxError {
  const [first = "", near] = error.message.replace(/^error: /, "").split("\n");
  const words = first.replaceAll("'", '"').replace(/\.$/, "");
  const advice =
    near === undefined ? "; see --help" : `; ${near.replace(/^\(Did you mean (.*)\?\)$/, 'did you mean "$1"?')}`;
  return new SignalboxError("SB0901", `${words[0]?.toUpperCase()}${words.slice(1)}${advice}`);
}

function colorFlag(argv: readonly string[]): string | false | undefined {
  if (argv.includes("--no-color")) return false;
  const at = argv.findIndex((arg) => arg === "--color" || arg.startsWith("--color="));
  return at < 0 ? undefined : (argv[at]?.split("=")[1] ?? argv[at + 1]);
}

/** The text without any command: the commands by purpose. */
function overview(): string {
  const rows = Object.entries(GROUPS).map(([group, commands]) => {
    const names = commands.map(({ name }) => name.split(" ")[0]);
    return `  ${group.padEnd(12)}${names.join("  ")}`;
  });
  return `${[
    `signalbox ${VERSION}: verified webhooks in, rules and state machines in the middle, Jira, Slack and HTTP out`,
    "",
    ...rows,
    "",
    "  see it work            signalbox demo",
    "  start a project        signalbox init my-project",
    "  why did nothing happen signalbox explain <event id>",
    "",
    "signalbox <command> --help ends with examples",
  ].join("\n")}\n`;
}
