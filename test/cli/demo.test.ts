import { existsSync, readdirSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { command, json, process_, start, temporary } from "./support/command.ts";

test("the demo moves the ticket, posts the message, explains the near miss, refuses the forgery, and leaves nothing behind", async () => {
  const tempDir = temporary();
  const { code, out, err } = await process_(["demo"], { env: { TMPDIR: tempDir } });
  expect({ code, err }).toEqual({ code: 0, err: "" });
  const [, first = "", second = "", third = "", after = ""] = out.split(/^(?=\d {2}|Afterwards)/m);
  expect(first).toMatch(/← 202 {2}signature verified/);
  expect(first).toMatch(/matched +✓ merged-pr-moves-ticket/);
  expect(first).toMatch(/✓ done {2}jira\.transition .*to Done/);
  expect(first).toMatch(/announcing → waiting/);
  expect(second).toMatch(
    /merged-pr-moves-ticket by 1 condition\n.*merged equals true {2}got false {2}rules\/pull-requests\.yaml:7:31/,
  );
  expect(second).not.toContain("delivery");
  expect(third).toMatch(/← 401 refused .*signature_mismatch/);
  expect(after).toMatch(/✓ Jira +WEB-17 {2}In Review → Done/);
  expect(after).toMatch(/✓ Slack +".*WEB-17/);
  expect(after).toMatch(/✓ Jira +WEB-18 {2}In Review \(untouched\)/);
  expect(after).toMatch(/✓ all as it should be/);
  expect(readdirSync(tempDir).filter((name) => name.startsWith("signalbox-demo-"))).toEqual([]);
});

test("as JSON it is one document with both stories", async () => {
  const ran = await command(["demo", "--json"]);
  expect(ran.code).toBe(0);
  expect(json(ran)).toMatchObject({
    apiVersion: "signalbox/v1",
    kind: "DemoResult",
    ok: true,
    checks: [{ ok: true }, { ok: true }, { ok: true }, { ok: true }, { ok: true }],
    merged: { settled: true },
    rejected: { settled: true },
  });
});

test("with --keep it stays, and other commands find it by its folder", async () => {
  const demo = start(["demo", "--keep"]);
  onTestFinished(() => demo.signal("SIGKILL"));
  const said = await demo.said("Ctrl-C ends it");
  const dir = /files +(\S+)/.exec(said)![1]!;
  const sent = await command([
    "-C",
    dir,
    "send",
    "github.pull_request.merged",
    "--with",
    "pull_request.title=WEB-20 more",
    "--wait",
  ]);
  expect(sent.out).toContain("jira-ticket/WEB-20");
  expect(sent.code).toBe(0);
  const listed = await command(["-C", dir, "instances", "list", "-v"]);
  expect(listed.out).toContain("WEB-20");
  expect(listed.err).toContain("asking the server at");
  demo.signal("SIGINT");
  expect(await demo.ended).toMatchObject({ code: 0 });
  expect(existsSync(dir)).toBe(false);
});
