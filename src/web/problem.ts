/** Problem details (RFC 9457): the error responses of both listeners. */
import type { ProblemDetails } from "../api/schemas.ts";
import { type Diagnostic, ERRORS, type ErrorCode, statusOf } from "../errors.ts";

export const PROBLEM_TYPE = "application/problem+json";

export interface ProblemOptions {
  requestId: string;
  /** Instead of the title of the code. */
  detail?: string | undefined;
  reason?: string | undefined;
  /** Instead of the status of the code. */
  status?: number | undefined;
  problems?: readonly Diagnostic[] | undefined;
}

export interface TextResponse {
  status: number;
  contentType: string;
  body: string;
  headers?: Record<string, string>;
}

/** Headers that the client needs beside the body. */
const HEADERS: Partial<Record<ErrorCode, Record<string, string>>> = {
  SB0502: { allow: "POST" },
  SB0505: { "accept-encoding": "gzip" },
  SB0507: { "retry-after": "5" },
  SB0509: { "retry-after": "60" },
};

export function problemResponse(code: ErrorCode, options: ProblemOptions): TextResponse {
  const { requestId, reason, problems = [], status = statusOf(code) } = options;
  const { title, help } = ERRORS[code];
  const details: ProblemDetails = {
    type: "about:blank",
    title,
    status,
    code,
    detail: options.detail ?? title,
    hint: help,
    ...(reason === undefined ? {} : { reason }),
    instance: requestId,
    ...(problems.length > 0 ? { problems: [...problems] } : {}),
  };
  return {
    status,
    contentType: PROBLEM_TYPE,
    body: JSON.stringify(details),
    headers: HEADERS[code] ?? {},
  };
}
