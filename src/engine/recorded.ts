/** What was recorded, for commands that look at a project without opening it. */
export { peekEvents } from "../store/sqlite/peek.ts";
