/** A process of its own (its end of each connection counts against its own limit of files): connects, sends half a request, and waits. */
import { connect } from "node:net";

const [port, host, wanted] = process.argv.slice(2);
const AT_ONCE = 500;
let connected = 0;

for (let left = Number(wanted); left > 0; left -= AT_ONCE) {
  await Promise.all(
    Array.from(
      { length: Math.min(AT_ONCE, left) },
      () =>
        new Promise<void>((resolve) => {
          const socket = connect(Number(port), host!);
          socket.once("connect", () => {
            connected++;
            socket.write(`POST /hooks/github HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 1000\r\n\r\n{`);
            resolve();
          });
          socket.on("error", () => resolve());
        }),
    ),
  );
}
process.stdout.write(`${connected}\n`);
