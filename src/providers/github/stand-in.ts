/** GitHub's responses in case of success. */
import type { StandIn } from "../../sandbox/stand-in.ts";

export default {
  answers: {
    status: {
      POST: {
        status: 201,
        body: { id: 1, state: "success", url: "https://api.github.com/repos/acme/web/statuses/1" },
      },
    },
    comment: {
      POST: { status: 201, body: { id: 1, html_url: "https://github.com/acme/web/issues/412#issuecomment-1" } },
    },
  },
} satisfies StandIn;
