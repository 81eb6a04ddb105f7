/** Merged pull requests of about 20 KB (or 1 KB), signed as GitHub signs them. */
import { createHmac } from "node:crypto";

export const SECRET = "a secret of the benchmark";

export interface Signed {
  id: string;
  body: Buffer;
  headers: Record<string, string>;
}

export function pullRequest(number: number, bytes: number): Signed {
  const user = (login: string) => ({
    login,
    id: 1000 + number,
    node_id: "MDQ6VXNlcjE=",
    avatar_url: `https://avatars.example.com/u/${login}?v=4`,
    url: `https://api.example.com/users/${login}`,
    type: "User",
    site_admin: false,
  });
  const repository = {
    id: 1,
    name: "web",
    full_name: "acme/web",
    private: true,
    owner: user("acme"),
    default_branch: "main",
  };
  const payload = {
    action: "closed",
    number,
    pull_request: {
      number,
      state: "closed",
      title: `WEB-${number} add a login page`,
      user: user("octocat"),
      body: "What this does and why.",
      html_url: `https://example.com/acme/web/pull/${number}`,
      merged: true,
      merge_commit_sha: "9f31c2e6b0d14dd4a3b1c5e0f2a49d8e7c6b5a40",
      closed_at: "2026-01-05T09:00:00Z",
      merged_by: user("hubot"),
      base: { ref: "main", sha: "1".repeat(40), repo: repository },
      head: { ref: `feature/WEB-${number}`, sha: "2".repeat(40), repo: repository },
      labels: [] as unknown[],
    },
    repository,
    sender: user("octocat"),
  };
  const { labels } = payload.pull_request;
  while (JSON.stringify(payload).length < bytes) {
    for (let i = 0; i < 8; i++)
      labels.push({
        ...user("octocat"),
        name: `label ${labels.length}`,
        color: "ededed",
        description: "A label among many",
      });
  }
  const id = `bench-${number}`;
  const body = Buffer.from(JSON.stringify(payload));
  const signature = createHmac("sha256", SECRET).update(body).digest("hex");
  return {
    id,
    body,
    headers: {
      "content-type": "application/json",
      "x-github-event": "pull_request",
      "x-github-delivery": id,
      "x-hub-signature-256": `sha256=${signature}`,
    },
  };
}
