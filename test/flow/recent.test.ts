/** What is remembered between storing and deciding is bounded, in number and in bytes. */
import { expect, test } from "vitest";
import { createRecentEvents } from "../../src/flow/recent.ts";
import { newEvent } from "../support/nouns.ts";

const MIB = 1024 * 1024;
const large = (id: string, bytes: number) => ({ ...newEvent(id), dataText: "x".repeat(bytes) });

test("at most 500 events are remembered, and room comes back with each that is decided", () => {
  const recent = createRecentEvents();
  recent.remember(Array.from({ length: 501 }, (_, index) => newEvent(`evt_${index}`)));
  expect([...recent.ids()]).toHaveLength(500);
  expect(recent.event("evt_500")).toBeUndefined();
  recent.forget("evt_0");
  recent.forget("evt_none");
  recent.remember([newEvent("evt_500"), newEvent("evt_501")]);
  expect([recent.event("evt_500")?.id, recent.event("evt_501")]).toEqual(["evt_500", undefined]);
});

test("large events fill the room sooner; small ones still fit beside them", () => {
  const recent = createRecentEvents();
  recent.remember([large("evt_1", 10 * MIB), large("evt_2", 10 * MIB), large("evt_3", 5 * MIB)]);
  expect([...recent.ids()]).toEqual(["evt_1", "evt_3"]);
  recent.remember([large("evt_1", 10 * MIB)]);
  recent.forget("evt_1");
  recent.remember([large("evt_2", 10 * MIB)]);
  expect([...recent.ids()]).toEqual(["evt_3", "evt_2"]);
  recent.clear();
  recent.remember([large("evt_4", 16 * MIB)]);
  expect([...recent.ids()]).toEqual(["evt_4"]);
});
