/** The JSON Schemas that are shipped. */
import { readdirSync, readFileSync } from "node:fs";
import { CODE } from "../package.ts";

const SCHEMAS = new URL("../schema/", CODE);

/** Names of the shipped schemas. */
export function schemaNames(): string[] {
  return readdirSync(SCHEMAS)
    .filter((file) => file.endsWith(".json"))
    .map((file) => file.replace(/\.json$/, ""));
}

export function schemaText(name: string): string {
  return readFileSync(new URL(`${name}.json`, SCHEMAS), "utf8");
}
