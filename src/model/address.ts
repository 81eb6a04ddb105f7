/** Which instance an event is meant for. */

export interface InstanceKey {
  machine: string;
  key: string;
}

/** A timer of a known instance. */
export interface SetTimer {
  id: string;
  step: number;
  dueAtMs: number;
}

/** Where an event goes when it is meant for one instance and no rule is asked. */
export type Address = InstanceKey &
  (
    | {
        kind: "signal";
        /** The name of the signal that the instance receives; `xstate.*` never comes from outside. */
        signal: string;
      }
    | {
        kind: "timer";
        signal: string;
        timer: string;
        /** The step that set the timer: an instance that set it again since takes this one as stale. */
        step: number;
      }
    | {
        kind: "call";
        signal: string;
        call: string;
        /** The step that started the call. */
        step: number;
        /** Whether the action was performed. */
        ok: boolean;
      }
    | {
        kind: "migration";
        /** Hash of the definition that the instance goes over to. */
        definition: string;
        /** The timers that were set when the migration was ordered: they keep their due times. */
        timers: SetTimer[];
      }
  );
