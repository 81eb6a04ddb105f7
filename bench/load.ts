/** Sends signed events at a concurrency or a rate and measures what the sender and the sink see. One process with the sink. */
import { Agent, createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Signed } from "./payload.ts";

export interface Percentiles {
  p50: number;
  p99: number;
  max: number;
}

export interface LoadResult {
  perSecond: number;
  answerMs: Percentiles;
  refused: number;
}

export function percentiles(values: readonly number[]): Percentiles {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** A server that answers 200 and notes when each event arrived. */
export async function startSink(): Promise<{ url: string; arrived: Map<string, number>; server: Server }> {
  const arrived = new Map<string, number>();
  const server = createServer((incoming, answer) => {
    let text = "";
    incoming.on("data", (chunk) => {
      text += chunk;
    });
    incoming.on("end", () => {
      const { id } = JSON.parse(text) as { id: string };
      if (!arrived.has(id)) arrived.set(id, performance.now());
      answer.end("ok");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, arrived, server };
}

export interface LoadOptions {
  url: string;
  events: readonly Signed[];
  concurrency: number;
  /** Events per second at most. */
  rate?: number;
  /** Told when an event was answered. */
  acknowledged?: Map<string, number>;
}

export async function load({ url, events, concurrency, rate, acknowledged }: LoadOptions): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  const target = new URL(url);
  const times: number[] = [];
  let next = 0;
  let refused = 0;
  const startedMs = performance.now();
  const sender = async () => {
    for (let index = next++; index < events.length; index = next++) {
      const event = events[index]!;
      if (rate) {
        const wait = startedMs + (index * 1000) / rate - performance.now();
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      }
      const sentMs = performance.now();
      const status = await post(agent, target, event);
      const nowMs = performance.now();
      times.push(nowMs - sentMs);
      if (status >= 300) refused++;
      acknowledged?.set(event.id, nowMs);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, sender));
  const perSecond = events.length / ((performance.now() - startedMs) / 1000);
  agent.destroy();
  return { perSecond, answerMs: percentiles(times), refused };
}

function post(agent: Agent, target: URL, { body, headers }: Signed): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      target,
      { agent, method: "POST", headers: { ...headers, "content-length": body.length } },
      (answer) => {
        answer.resume();
        answer.on("end", () => resolve(answer.statusCode ?? 0));
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}
