/** What a command is: data that program.ts turns into a command line. */
import type { Context } from "./context.ts";
import type { Options } from "./options.ts";

export * from "./options.ts";

export interface Flag {
  /** `-r, --rule <id>`; every flag has one long form. */
  flags: string;
  about: string;
  choices?: readonly string[];
  /** May be given several times; the option is a list. */
  repeats?: boolean;
}

/** Name and summary of a command, for finding and listing it. */
export interface Headline {
  /** `explain <what>`: name and arguments as help shows them. */
  name: string;
  aliases?: readonly string[];
  summary: string;
}

/** Flags and work of a command. */
export interface CommandBody {
  /** Printed in help after the summary. */
  about?: string;
  flags?: readonly Flag[];
  /** Command lines at the end of help. */
  examples: readonly [string, string, string];
  /** The exit code. */
  run?(context: Context, args: readonly string[], options: Options): Promise<number>;
  /** Verbs of a noun: `events list`. */
  verbs?: readonly Command[];
}

export interface Command extends Headline, CommandBody {}
