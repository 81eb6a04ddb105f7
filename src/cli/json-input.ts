/** JSON that a person gives to a command: a file, or a text. */
import { readFileSync } from "node:fs";
import { messageOf, SignalboxError } from "../errors.ts";
import { isObject, type JsonObject, parseJsonText } from "../model.ts";
import { usage } from "./options.ts";

/** The object in a JSON file; SB0905 when it cannot be read, SB0901 when it holds none. */
export function readJson(path: string, name: string): JsonObject {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new SignalboxError("SB0905", `The file "${name}" cannot be read`, { cause: error });
  }
  return jsonObject(text, name);
}

/** The object in the text; SB0901 when it holds none. */
export function jsonObject(text: string, name: string): JsonObject {
  let value: unknown;
  try {
    value = parseJsonText(text).value;
  } catch (error) {
    throw usage(`"${name}" is not JSON: ${messageOf(error)}`);
  }
  if (!isObject(value)) throw usage(`"${name}" holds no JSON object`);
  return value;
}
