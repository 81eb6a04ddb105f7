/** Ticket keys in text: `<project key>-<number>` as Jira defines them. */
import { LIMITS } from "../../model.ts";

/**
 * A project key is a letter followed by upper-case ASCII letters, digits and underscores, never a hyphen.
 * https://confluence.atlassian.com/adminjiraserver/changing-the-project-key-format-938847081.html
 */
const KEY =
  /(?<![A-Za-z0-9_])(?<![A-Z0-9_]-)([A-Z][A-Z0-9_]{1,9})-([1-9][0-9]{0,9})(?![A-Za-z0-9_])(?!\.[0-9])(?=(-[0-9]+(?![A-Za-z0-9]))?)/g;

/** What looks like a project key and is not one. */
const DENY: readonly string[] = (
  "UTF SHA ISO IEC IEEE RFC CVE CWE AES RSA MD HTTP TLS SSL ASCII UCS HMAC BASE COVID PEP DIN EN ES MP H X ARM GPT RC4 " +
  "UTC GMT PR MR"
).split(" ");

export interface TicketOptions {
  /** The only project keys that count; wins over `deny`. */
  projects?: readonly string[] | undefined;
  /** Finds `soc-12` too, as in branch names; only together with `projects`. */
  ignoreCase?: boolean;
  deny?: readonly string[];
}

/** The keys in the order they are met, each once, at most LIMITS.tickets. */
export function ticketKeys(texts: string | readonly string[], options: TicketOptions = {}): string[] {
  const found = new Set<string>();
  for (const text of typeof texts === "string" ? [texts] : texts) {
    const searched = options.ignoreCase && options.projects ? text.toUpperCase() : text;
    for (const [, project = "", number = "", tail] of searched.matchAll(KEY)) {
      if (found.size >= LIMITS.tickets) return [...found];
      if (isTicket(project, tail, options)) found.add(`${project}-${number}`);
    }
  }
  return [...found];
}

function isTicket(project: string, tail: string | undefined, { projects, deny = DENY }: TicketOptions): boolean {
  // CVE-2024-1234 and 2024-01-02 style numbers are tickets only for whoever has named the project.
  return projects ? projects.includes(project) : tail === undefined && !deny.includes(project);
}
