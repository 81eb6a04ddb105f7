/** Ticket keys in text: `<project key>-<number>` as Jira defines them. */
/**
 * A project key is a letter followed by upper-case ASCII letters, digits and underscores, never a hyphen.
 * https://confluence.atlassian.com/adminjiraserver/changing-the-project-key-format-938847081.html
 */
const PROJECT = /^[A-Z][A-Z0-9_]{1,9}$/;
/** A key's number, and a word joined to it by an underscore. */
const NUMBER = /^([1-9][0-9]{0,9})(?:_(.*))?$/;
/** The end of a word in another case than a project key: `fix_WEB`, `Fix_WEB`. */
const AFTER_WORD = /^.*[a-z][a-z0-9]*_([A-Z][A-Z0-9_]{1,9})$/;
/** No file system holds a branch with a longer part. */
const WORD_CHARS_MAX = 255;

/** Standards, formats, products, versions and dates that have the form of a project key. They count as projects only when configured. */
const DENY: ReadonlySet<string> = new Set(
  `UTF UCS ASCII ANSI ISO IEC IEEE ITU IETF RFC PEP JEP KEP BEP ADR RFD DIN EN ES EC ECMA NIST FIPS JIS GB KOI CP LATIN WINDOWS
  CVE CWE CVSS CAPEC OWASP WCAG GDPR GH PR MR
  SHA MD AES RSA DES DSA RC RC4 CRC HMAC HS RS EDDSA ED BLAKE KECCAK CHACHA SECP PKCS PBKDF BASE UUID
  HTTP HTTPS TLS SSL SSH TCP UDP IP IPV BGP NFS SMB OAUTH SAML WPA WIFI USB PCIE SATA DDR RAID LTE RJ
  HTML XHTML XML CSS JSON YAML SQL MP MPEG JPEG PNG VP H X ISBN EAN
  ARM ARMV AMD WIN MACOS RHEL JDK JRE JAVA PY PHP NODE CPP CXX GCC VUE REACT
  GPT GPL LGPL AGPL BSD APACHE MPL
  VERSION ALPHA BETA SEV COVID
  UTC GMT FY Q1 Q2 Q3 Q4 H1 H2 JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC`.split(/\s+/),
);

export interface TicketOptions {
  /** The only project keys that count; absent = every word in the form of a key. */
  projects?: readonly string[] | undefined;
  /** The texts are names of branches: words are joined to a key by - and _, and projects that are named may be in lower case. */
  branch?: boolean;
}

/** The keys in order of appearance, each once; the log keeps the first LIMITS.tickets of them. */
export function ticketKeys(texts: string | readonly string[], options: TicketOptions = {}): string[] {
  const keys = new Set<string>();
  for (const text of typeof texts === "string" ? [texts] : texts) {
    for (const match of text.matchAll(/[A-Za-z0-9_-]+/g)) {
      const isVersion = /^\.[0-9]/.test(text.slice(match.index + match[0].length, match.index + match[0].length + 2));
      for (const key of keysOfRun(match[0].split("-"), isVersion, options)) {
        keys.add(key);
      }
    }
  }
  return [...keys];
}

/** The keys in words that hyphens join. `isVersion`: a dot and a number follow the last word, as in WEB-1.2. */
function* keysOfRun(words: readonly string[], isVersion: boolean, options: TicketOptions): Generator<string> {
  // A key joined by an underscore to the number of the one before: WEB-17_WEB-18.
  let joined: string | undefined;
  for (let i = 0; i + 1 < words.length; i++) {
    const [, number, rest] = NUMBER.exec(words[i + 1] ?? "") ?? [];
    const around = joined === undefined ? { before: words[i - 1], word: words[i] ?? "" } : { word: joined };
    const isNumber = number !== undefined && !(isVersion && rest === undefined && i + 2 === words.length);
    const project = isNumber ? projectOf({ ...around, rest, after: words[i + 2] }, options) : undefined;
    joined = project === undefined ? undefined : rest;
    if (project !== undefined) yield `${project}-${number}`;
  }
}

/** A word followed by a number, and the text around both. */
interface Run {
  before?: string | undefined;
  word: string;
  rest: string | undefined;
  after: string | undefined;
}

/** The project key that the word is or ends in; undefined when this is no ticket. */
function projectOf(run: Run, { projects, branch = false }: TicketOptions): string | undefined {
  const { before = "", word } = run;
  if (word.length > WORD_CHARS_MAX) return undefined;
  // ABC-DEF-1 is no key and revert-12-WEB-17 has one; where projects are named, a branch may join any word to a key.
  const isStart = !/[A-Z0-9_]$/.test(before) || /^[0-9]+$/.test(before);
  if (projects) return isStart || branch ? namedProject(word, projects, branch) : undefined;
  return isStart ? likelyProject(run, branch) : undefined;
}

function likelyProject({ word, rest, after = "" }: Run, branch: boolean): string | undefined {
  // CVE-2024-1234 and 2024-01-02 are tickets only when such a project is configured.
  if (rest === undefined && /^[0-9]+(_|$)/.test(after)) return undefined;
  const isRow = rest !== undefined && PROJECT.test(rest) && /^[0-9]/.test(after);
  if (rest !== undefined && !isRow && !branch) return undefined;
  const ending = branch ? AFTER_WORD.exec(word)?.[1] : undefined;
  const project = PROJECT.test(word) ? word : ending;
  return project !== undefined && !DENY.has(project) ? project : undefined;
}

/** The word itself, or what follows an underscore in it, unless the whole looks like the key of a project that is not named. */
function namedProject(word: string, projects: readonly string[], branch: boolean): string | undefined {
  const upper = branch ? word.toUpperCase() : word;
  if (projects.includes(upper)) return upper;
  if (PROJECT.test(word)) return undefined;
  return projects.find((project) => upper.endsWith(`_${project}`));
}
