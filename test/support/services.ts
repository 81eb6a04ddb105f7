/** Services beside this process: used where they answer, on record as unchecked where not, demanded with SIGNALBOX_REQUIRE_SERVICES=1. */
import { connect } from "node:net";
import { expect, test } from "vitest";
import { recordUnchecked } from "./records.ts";

const PORTS: Record<string, number> = { "redis:": 6379, "postgres:": 5432, "amqp:": 5672 };

interface Service {
  name: string;
  isThere: boolean;
  /** What nobody checks without it. */
  unchecked: string;
  /** What to do to have it checked. */
  remedy: string;
}

/** Whether the service is there. Where services are required, its absence is a failed test. */
export function hasService({ name, isThere, unchecked, remedy }: Service): boolean {
  if (!isThere) recordUnchecked(`${unchecked}: ${remedy}`);
  test.runIf(process.env.SIGNALBOX_REQUIRE_SERVICES === "1")(`${name}, which was asked for, is there`, () => {
    expect(isThere).toBe(true);
  });
  return isThere;
}

/** Whether somebody takes connections at the host and port of the URL. */
export function isListening(url: string): Promise<boolean> {
  const { hostname, port, protocol } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port || PORTS[protocol]), hostname);
    socket.once("connect", () => {
      resolve(true);
      socket.destroy();
    });
    socket.once("error", () => resolve(false));
    socket.setTimeout(10_000, () => {
      resolve(false);
      socket.destroy();
    });
  });
}
