/** Parts that endpoints share: pages, filters, lists, diagnostics and problem details. */
import { type Static, type TProperties, type TSchema, Type } from "typebox";
import type { ErrorCode } from "../errors.ts";
import { closed, count, list, optional, text } from "../model/schema-kit.ts";

/** A page is read from the store at once, and senders wait meanwhile. */
const PAGE_LIMIT_MAX = 200;
export const PAGE_LIMIT = 50;
const FILTER_CHARS_MAX = 1_000;

const limit = Type.Optional(Type.Integer({ minimum: 1, maximum: PAGE_LIMIT_MAX, default: PAGE_LIMIT }));
/** Cursors: a position in the store, or in lists by time of change the time and the position. */
const ROW = "^\\d{1,15}$";
const CHANGE = "^\\d{1,15}\\.\\d{1,15}$";
const cursorOf = (pattern: string) => Type.Optional(Type.String({ pattern, description: "From the previous page" }));

export const rowPage = { limit, cursor: cursorOf(ROW) };
export const changePage = { limit, cursor: cursorOf(CHANGE) };
/** Names hold no NUL: databases and logs cannot store it. */
export const NO_NUL = "^[^\\u0000]*$";
export const filter = (description?: string) =>
  Type.Optional(
    Type.String({
      ...{ minLength: 1, maxLength: FILTER_CHARS_MAX, pattern: NO_NUL },
      ...(description ? { description } : {}),
    }),
  );
export const query = <P extends TProperties>(properties: P) => Type.Object(properties, { additionalProperties: false });

/** No parameters: an unknown one is an error, because a misspelt filter would be ignored. */
export const NoQuery = query({});
export const LimitQuery = query({ limit });

export const AcceptedSchema = closed("Accepted", { id: text() });

export const paged = <T extends TSchema>(title: string, items: T) =>
  closed(title, {
    items: Type.Array(items),
    cursor: optional(text("Of the next page, also of one that holds few items or none; absent on the last")),
  });
export const listed = <T extends TSchema>(title: string, items: T) => closed(title, { items: Type.Array(items) });

export const DiagnosticSchema = closed("Diagnostic", {
  code: Type.Unsafe<ErrorCode>(text()),
  severity: Type.Enum(["error", "warning"]),
  message: text(),
  path: optional(Type.Unsafe<readonly (string | number)[]>(list(Type.Union([Type.String(), Type.Number()])))),
  atKey: optional(Type.Boolean()),
  offset: optional(count()),
  file: optional(text()),
  line: optional(count()),
  col: optional(count()),
  endCol: optional(count()),
  suggestion: optional(text()),
});

/** The body of an error response. */
export const ProblemDetailsSchema = closed(
  "ProblemDetails",
  {
    type: text(),
    title: text(),
    status: Type.Integer(),
    code: Type.String({ pattern: "^SB\\d{4}$", description: "See docs/errors.md" }),
    detail: text("What went wrong this time"),
    hint: text("What to do about it"),
    reason: optional(text("Why the signature was refused, as one word")),
    instance: text("The request's id, as in x-api-uuid"),
    problems: optional(list(DiagnosticSchema)),
  },
  "RFC 9457 problem details",
);
export type ProblemDetails = Static<typeof ProblemDetailsSchema>;
