/** A stand-in Jira, and Jira's responses in case of success. */
import type { SandboxSystem, StandIn } from "../../sandbox/stand-in.ts";
import { type JiraState, jira, jiraState } from "./sandbox.ts";

/** Cloud (Basic email:token, REST v3) and Server (Bearer token, REST v2) at one address. */
export const system = { initial: jiraState, handle: jira } satisfies SandboxSystem<JiraState>;

const FIELDS = {
  status: {
    id: "10002",
    name: "Done",
  },
  issuetype: {
    id: "10001",
    name: "Story",
  },
  project: {
    id: "10000",
    key: "WEB",
  },
};

export default {
  system,
  answers: {
    transition: {
      GET: {
        status: 200,
        body: {
          id: "10017",
          key: "WEB-17",
          fields: FIELDS,
          transitions: [],
        },
      },
    },
    read: {
      GET: {
        status: 200,
        body: {
          key: "WEB-17",
          fields: FIELDS,
        },
      },
    },
    comment: {
      GET: {
        status: 200,
        body: {
          startAt: 0,
          maxResults: 100,
          total: 0,
          comments: [],
        },
      },
      POST: {
        status: 201,
        body: {
          id: "10100",
        },
      },
    },
  },
} satisfies StandIn;
