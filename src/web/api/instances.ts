/** Instances: where each machine stands, and giving one an event by hand. */
import { Type } from "typebox";
import type { JsonObject } from "../../model.ts";
import type { Endpoint } from "./endpoint.ts";
import { withoutPayload } from "./payload.ts";
import { InstancesQuery, MigrationPlanRequest, MigrationRequest, pageOf, SignalRequest } from "./requests.ts";
import { InstanceDetailShape, InstanceShape, MigrationReportShape, paged } from "./shapes.ts";

const Signalled = Type.Object({ id: Type.String() }, { title: "Accepted", additionalProperties: false });

export const INSTANCE_ENDPOINTS: readonly Endpoint[] = [
  {
    id: "listInstances",
    method: "GET",
    path: "/api/v1/instances",
    summary: "Instances, last changed first",
    scope: "read",
    query: InstancesQuery,
    answers: { 200: paged("Instances", InstanceShape) },
    async reply({ query, seesPayload }, { operations }) {
      const { limit: _limit, cursor: _cursor, ...filter } = query as InstancesQuery;
      const found = await operations.instances(filter, pageOf(query as InstancesQuery));
      return { body: { ...found, items: seesPayload ? found.items : found.items.map(withoutPayload.instance) } };
    },
  },
  {
    id: "getInstance",
    method: "GET",
    path: "/api/v1/instances/{machine}/{key}",
    summary: "One instance, its timers and the events it accepts now",
    scope: "read",
    answers: { 200: InstanceDetailShape },
    async reply({ params, seesPayload }, { operations }) {
      const detail = await operations.instance(params.machine ?? "", params.key ?? "");
      return { body: seesPayload ? detail : { ...detail, instance: withoutPayload.instance(detail.instance) } };
    },
  },
  {
    id: "signalInstance",
    method: "POST",
    path: "/api/v1/instances/{machine}/{key}/signal",
    summary: "Give one instance an event, past the rules; audited",
    scope: "operate",
    body: SignalRequest,
    answers: { 202: Signalled },
    async reply({ params, body, actor }, { operations }) {
      // The schema leaves `data` open; that it is JSON is certain, since it was parsed from it.
      const signal = body as { event: string; data?: JsonObject; reason: string };
      return { body: await operations.signal(params.machine ?? "", params.key ?? "", signal, actor) };
    },
  },
  {
    id: "planMigration",
    method: "POST",
    path: "/api/v1/machines/{machine}/migrations/plan",
    summary: "Which instances of earlier definitions could migrate, and why the others could not; changes nothing",
    scope: "read",
    body: MigrationPlanRequest,
    answers: { 200: MigrationReportShape },
    async reply({ params, body }, { operations }) {
      // As parsed from JSON.
      const options = body as { definition?: JsonObject; cursor?: string };
      return { body: await operations.planMigration(params.machine ?? "", options) };
    },
  },
  {
    id: "migrateInstances",
    method: "POST",
    path: "/api/v1/machines/{machine}/migrations",
    summary: "Migrate the instances of earlier definitions that can, to the running one; audited",
    scope: "operate",
    body: MigrationRequest,
    answers: { 202: MigrationReportShape },
    async reply({ params, body, actor }, { operations }) {
      return { body: await operations.migrate(params.machine ?? "", body as { cursor?: string }, actor) };
    },
  },
];
