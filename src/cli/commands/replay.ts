/** `replay`: says which of three commands is meant. */
import { type CommandBody, usage } from "../command.ts";

export const replay: CommandBody = {
  examples: [
    "signalbox explain evt_01JD3VKX9M",
    "signalbox events redeliver evt_01JD3VKX9M",
    "signalbox deliveries retry dlv_01JD3VKX9M",
  ],
  run() {
    const ways =
      '"explain" has no side effects, "events redeliver" runs actions again, "deliveries retry" runs one of them';
    throw usage(`Replay is ambiguous here: ${ways}`);
  },
};
