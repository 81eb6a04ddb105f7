/** `schema`: the JSON Schema of a file form. */
import { type CommandBody, notFound } from "../command.ts";
import { schemaNames, schemaText } from "../schema-files.ts";
import { EXIT } from "../terminal/failure.ts";

export const schema: CommandBody = {
  about: "server: no.",
  examples: ["signalbox schema", "signalbox schema rules", "signalbox schema signalbox > schema/signalbox.json"],
  async run(context, [name]) {
    const names = schemaNames();
    if (name === undefined) {
      context.print("SchemaList", { schemas: names }, () => `${names.join("\n")}\n`);
      return EXIT.done;
    }
    if (!names.includes(name)) throw notFound("schema", name, names);
    context.shell.out(schemaText(name));
    return EXIT.done;
  },
};
