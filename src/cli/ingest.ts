/** Requests to the ingest listener, as a sender makes them. */
import { SignalboxError } from "../errors.ts";
import { reasonOf } from "./http-client.ts";
import type { SampleRequest } from "./samples.ts";

/** Posts the request; rejects with SB0902 when no server answers. */
export async function postRequest(
  url: string,
  { headers, body }: SampleRequest,
  timeoutMs: number,
): Promise<{ status: number; text: string }> {
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await fetch(url, { method: "POST", headers, body, signal, redirect: "manual" });
    return { status: response.status, text: await response.text() };
  } catch (error) {
    throw new SignalboxError("SB0902", `No server answers at ${url} (${reasonOf(error)})`, { cause: error });
  }
}

interface IngestResponse {
  eventId?: string;
  outcome?: string;
  code?: string;
  reason?: string;
  detail?: string;
}

/** The fields of a response of the ingest listener: an event's id, or why the request was refused. */
export function ingestResponse(text: string): IngestResponse {
  try {
    const { eventId, eventIds, outcome, code, reason, detail } = JSON.parse(text) as IngestResponse & {
      eventIds?: string[];
    };
    const id = eventId ?? eventIds?.[0];
    const fields = { eventId: id, outcome, code, reason, detail };
    return Object.fromEntries(Object.entries(fields).filter(([, value]) => typeof value === "string"));
  } catch {
    return {};
  }
}
