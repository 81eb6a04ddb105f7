/** Where an event goes and what caused a delivery: nouns of several kinds, as schemas. */
import { Type } from "typebox";
import { closed, count, list, milliseconds, optional, text } from "./schema-kit.ts";

export const AddressShape = closed("Address", {
  kind: optional(Type.Enum(["signal", "timer", "call", "migration"], { description: "May be left out of a request" })),
  machine: text(),
  key: text(),
  signal: optional(text("What the instance receives; absent for a migration")),
  timer: optional(text()),
  call: optional(text()),
  step: optional(count()),
  ok: optional(Type.Boolean({ description: "Whether the call was performed" })),
  definition: optional(text("The instance migrates to this definition")),
  timers: optional(
    list(
      Type.Object(
        { id: text(), step: count(), dueAtMs: milliseconds("When it is due") },
        { additionalProperties: false },
      ),
    ),
  ),
});

export const CauseShape = Type.Union(
  [
    Type.Object(
      { kind: Type.Literal("rule"), rule: text(), item: count(), index: count() },
      { additionalProperties: false },
    ),
    Type.Object(
      { kind: Type.Literal("step"), machine: text(), key: text(), step: count(), index: count() },
      { additionalProperties: false },
    ),
    Type.Object(
      { kind: Type.Literal("call"), machine: text(), key: text(), step: count(), index: count(), call: text() },
      { additionalProperties: false },
    ),
  ],
  { title: "Cause" },
);
