/** Problem details (RFC 9457) as the listeners answer them; what flow/receive answers has the same form. */
import type { ProblemDetails } from "../api/schemas.ts";
import { type Diagnostic, ERRORS, type ErrorCode } from "../errors.ts";

export const PROBLEM_TYPE = "application/problem+json";

/** The status is that of the error table unless one is named; 500 where the table has none. */
export function problem(
  code: ErrorCode,
  options: { requestId: string; detail?: string; status?: number; problems?: readonly Diagnostic[] },
): ProblemDetails {
  const { title, help, status }: { title: string; help: string; status?: number } = ERRORS[code];
  return {
    type: "about:blank",
    title,
    status: options.status ?? status ?? 500,
    code,
    detail: options.detail ?? title,
    hint: help,
    instance: options.requestId,
    ...(options.problems?.length ? { problems: [...options.problems] } : {}),
  };
}
