/** The process as commands see it: made by main.ts, the only file that touches `process`, and by tests. */

export interface Shell {
  /** Without the interpreter and the script. */
  argv: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
  /** A folder for temporary files. */
  tempDir: string;
  nodeVersion: string;
  platform: string;
  pid: number;
  tty: { in: boolean; out: boolean; err: boolean };
  out(text: string): void;
  err(text: string): void;
  /** The file descriptor of standard error, when it is one. */
  errFd?: number;
  /** From now on the process does not end because nobody reads what it writes. */
  ignoreClosedOutput?(): void;
  /** Everything on standard input. */
  readIn(): Promise<string>;
  /** The next line typed by a person. */
  ask(question: string): Promise<string>;
  on(signal: "SIGINT" | "SIGTERM" | "SIGHUP", listener: () => void): void;
  /** Ends at once, without draining; for the second signal. */
  exit(code: number): void;
}
