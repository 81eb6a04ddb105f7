/** Answers about timers and schedules. */
import type { TIMER_ENDPOINTS } from "../../api/timers.ts";
import { type HandlersOf, pageOf } from "./endpoint.ts";

export const timerHandlers: HandlersOf<typeof TIMER_ENDPOINTS> = {
  listTimers: async ({ query }, { operations }) => ({
    body: { items: [...(await operations.timers(pageOf(query).limit))] },
  }),
  fireTimer: async ({ params, body, principal }, { operations }) => ({
    body: await operations.fireTimer(params, body.reason, principal),
  }),
  cancelTimer: async ({ params, body, principal }, { operations }) => ({
    body: await operations.cancelTimer(params, body.reason, principal),
  }),
  listSchedules: async (_request, { operations }) => ({ body: { items: [...(await operations.schedules())] } }),
};
