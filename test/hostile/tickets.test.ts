/** Which tickets a pull request, push or build is about, from titles and names of branches as people write them. */
import { describe, expect, test } from "vitest";
import http from "../../src/providers/http/index.ts";
import { ticketKeys } from "../../src/providers/kit/tickets.ts";

const WEB = ["WEB"];

describe("the name of a branch joins words to a key by hyphens and underscores", () => {
  test.each([
    ["fix-WEB-17-login", ["WEB-17"]],
    ["WEB-17_add_login", ["WEB-17"]],
    ["taskbranch/WEB-17_2", ["WEB-17"]],
    ["fix_WEB-17", ["WEB-17"]],
    ["feature/WEB-17.fix", ["WEB-17"]],
    ["revert-412-WEB-17-add-login", ["WEB-17"]],
    ["revert-412-feature/WEB-17", ["WEB-17"]],
    ["WEB-17-WEB-18-both", ["WEB-17", "WEB-18"]],
    ["WEB-17_WEB-18", ["WEB-17", "WEB-18"]],
    ["WEB-17_and_WEB-18_v1.2", ["WEB-17", "WEB-18"]],
    ["WEB-17/WEB-18", ["WEB-17", "WEB-18"]],
  ])("%s", (branch, keys) => {
    expect(ticketKeys(branch, { branch: true }), "any project").toEqual(keys);
    expect(ticketKeys(branch, { branch: true, projects: WEB }), "named project").toEqual(keys);
    expect(ticketKeys(branch.toLowerCase(), { branch: true, projects: WEB }), "lower case").toEqual(keys);
  });

  test.each(["FIX-WEB-17", "Hotfix-Web-17", "bugfix-web-17-2", "web-17", "fix_web-17", "FIX_web-17"])(
    "%s names a ticket once its project is named",
    (branch) => {
      expect(ticketKeys(branch, { branch: true, projects: WEB })).toEqual(["WEB-17"]);
      expect(ticketKeys(branch, { branch: true })).toEqual([]);
    },
  );

  test.each(["WEB-17x", "WEB-17a-2", "xWEB-17", "MY_WEB-17", "WEB-1.2", "WEB-0", "WEB-", "website-17"])(
    "%s names no ticket of WEB",
    (branch) => {
      expect(ticketKeys(branch, { branch: true, projects: WEB })).toEqual([]);
    },
  );

  test("a project with an underscore is not another one", () => {
    expect(ticketKeys("DEV_OPS-12_x", { branch: true })).toEqual(["DEV_OPS-12"]);
    expect(ticketKeys("dev_ops-12", { branch: true, projects: ["OPS", "DEV_OPS"] })).toEqual(["DEV_OPS-12"]);
  });

  test("a place such as us-east-1 is no ticket", () => {
    expect(ticketKeys("deploy/US-EAST-1", { branch: true })).toEqual([]);
  });
});

describe("text that people write", () => {
  test.each([
    ["WEB-17-WEB-18 both at once", ["WEB-17", "WEB-18"]],
    ["WEB-17_WEB-18 both at once", ["WEB-17", "WEB-18"]],
    ["WEB-17,WEB-18/WEB-19+WEB-20&WEB-21", ["WEB-17", "WEB-18", "WEB-19", "WEB-20", "WEB-21"]],
    ['Revert "WEB-17: add login"', ["WEB-17"]],
    ["Merge pull request #12 from acme/revert-412-WEB-17-login", ["WEB-17"]],
    ["fix-WEB-17-login", ["WEB-17"]],
    ["_WEB-17_ in emphasis", []],
  ])("%s", (text, keys) => {
    expect(ticketKeys(text)).toEqual(keys);
  });

  test("beside an underscore a key counts once its project is named", () => {
    expect(ticketKeys("WEB-17_add_login", { projects: WEB })).toEqual(["WEB-17"]);
    expect(ticketKeys("_WEB-17_ in emphasis", { projects: WEB })).toEqual(["WEB-17"]);
  });

  const words =
    "GH-123 RC-1 PY-3 IPV-6 WCAG-2 UTF-8 SHA-256 HTTP-2 OAUTH-2 ES-2015 CVE-2024 PR-12 JAVA-17 SEV-1 Q1-2026";
  test.each(words.split(" "))("%s is a word and no ticket, unless its project is named", (word) => {
    expect(ticketKeys(`Update to ${word} now`)).toEqual([]);
    expect(ticketKeys(`update/${word}-now`, { branch: true })).toEqual([]);
    expect(ticketKeys(`Update to ${word} now`, { projects: [word.split("-", 1)[0] ?? ""] })).toEqual([word]);
  });

  test("common projects are no such words", () => {
    const keys = ["IOS-1", "ANDROID-2", "WEB-3", "API-4", "OPS-5", "BUG-6", "SOC-7"];
    expect(ticketKeys(keys.join(" "))).toEqual(keys);
  });
});

test("a branch of a source that is described by its settings is read as a branch", () => {
  const settings = { verify: { kind: "ip" }, attributes: { title: "title", branch: "ref" } };
  const body = Buffer.from(JSON.stringify({ title: "web-18 in a title is none", ref: "fix-web-17_2" }));
  const request = { method: "POST", path: "/", query: "", headers: {}, body };
  const source = { name: "ci", provider: "http", secrets: [], settings, ticketProjects: WEB };
  const result = http.source.normalise(request, source as never);
  expect(result).toMatchObject({ kind: "events", events: [{ tickets: ["WEB-17"] }] });
});

test("a text of half a million characters is searched, whatever it is", () => {
  const hostile = [
    "A".repeat(500_000),
    "A-".repeat(250_000),
    "A_".repeat(250_000),
    "A1-1_".repeat(100_000),
    "-".repeat(500_000),
    `${"a".repeat(500_000)}-1`,
    `${"a_".repeat(250_000)}-1`,
  ];
  for (const text of hostile) expect(ticketKeys(text, { branch: true, projects: WEB })).toEqual([]);
});
