/** What a file in statemachines/ may hold: xstate's configuration, restricted to what is data. Published to editors as draft-07. */
import { type TSchema, Type } from "typebox";
import { LIMITS } from "../../../model.ts";

/** A condition: CEL over event, context and vars, or a combination of conditions. */
type GuardFile = string | { and: GuardFile[] } | { or: GuardFile[] } | { not: GuardFile };

/** One thing to do: a single key, `connection.action` or one of the four built in. */
type ActionFile = Record<string, unknown>;

type ActionsFile = ActionFile | ActionFile[];

/** Where a signal, timer or outcome leads, under which condition, and what is done on the way. */
interface TransitionFile {
  target?: string | string[];
  guard?: GuardFile;
  actions?: ActionsFile;
  reenter?: boolean;
  description?: string;
  meta?: Record<string, unknown>;
}

/** A target, a transition, or candidates of which the first whose guard holds is taken. */
type TransitionsFile = string | TransitionFile | (string | TransitionFile)[];

/** A transition after a delay that may be computed. */
interface DelayedFile extends TransitionFile {
  delay: string | { cel: string };
  id?: string;
}

interface InvokeFile {
  id?: string;
  src: string;
  input?: Record<string, unknown>;
  retry?: { attempts?: number; initial?: string; factor?: number; max?: string };
  timeout?: string;
  onDone?: TransitionsFile;
  onError?: TransitionsFile;
  description?: string;
}

interface StateFile {
  id?: string;
  description?: string;
  type?: "atomic" | "compound" | "parallel" | "final" | "history";
  initial?: string;
  states?: Record<string, StateFile>;
  on?: Record<string, TransitionsFile>;
  always?: TransitionsFile;
  after?: Record<string, TransitionsFile> | DelayedFile[];
  entry?: ActionsFile;
  exit?: ActionsFile;
  invoke?: InvokeFile | InvokeFile[];
  onDone?: TransitionsFile;
  history?: "shallow" | "deep" | boolean;
  target?: string | string[];
  output?: unknown;
  tags?: string | string[];
  meta?: Record<string, unknown>;
}

const TEMPLATED = "a string with {{ }} is a Handlebars template, { cel: … } is a CEL expression";
const value = (what: string) => Type.Unknown({ description: `${what}; ${TEMPLATED}` });
const values = (what: string) =>
  Type.Record(Type.String(), Type.Unknown(), { description: `${what}; ${TEMPLATED.replace("a string", "text")}` });
const text = (description: string) => Type.String({ minLength: 1, description });
const duration = (what: string) => text(`${what}: 90s, 15m, 1h30m or P3D`);
const eventName = (description: string) => Type.String({ minLength: 1, maxLength: LIMITS.eventNameChars, description });
// Only what is recursive or used everywhere: inside a choice a $ref would hide from a message which form was meant.
const refer = <T>(name: string, description: string) =>
  Type.Unsafe<T>({ $ref: `#/definitions/${name}`, description } as TSchema);

const description = Type.Optional(Type.String({ description: "For people; no part of the definition's hash" }));
const meta = Type.Optional(
  Type.Record(Type.String(), Type.Unknown(), { description: "Anything for tools; no part of the definition's hash" }),
);
const targets = Type.Union(
  [Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })],
  {
    description:
      "The state to go to: `sibling`, `sibling.child`, `.child` of this state, `#id`; a list for several parallel regions",
  },
);
const actions = (when: string) => Type.Optional(refer<ActionsFile>("actions", `What is done ${when}`));
const transitions = (when: string) => Type.Optional(refer<TransitionsFile>("transitions", `What is taken ${when}`));

const Guard = Type.Unsafe<GuardFile>({
  description: "CEL over event, context and vars; one that cannot be evaluated is false",
  anyOf: [
    Type.String({ minLength: 1 }),
    Type.Object(
      {
        and: Type.Optional(Type.Array(refer("guard", "A condition"), { minItems: 1, description: "All must hold" })),
        or: Type.Optional(Type.Array(refer("guard", "A condition"), { minItems: 1, description: "One must hold" })),
        not: Type.Optional(refer("guard", "Must not hold")),
      },
      { additionalProperties: false, minProperties: 1, maxProperties: 1 },
    ),
  ],
} as TSchema);

const Action = Type.Unsafe<ActionFile>(
  Type.Object(
    {
      assign: Type.Optional(values("New values of context keys, all computed from the old ones")),
      raise: Type.Optional(eventName("A signal to this instance itself, taken within the same step")),
      log: Type.Optional(value("A line for the event's trace")),
      emit: Type.Optional(
        Type.Union([
          eventName("The type of an event that enters the log"),
          Type.Object(
            {
              type: eventName("The type of an event that enters the log"),
              data: Type.Optional(values("Its data")),
            },
            { additionalProperties: false },
          ),
        ]),
      ),
    },
    {
      description: "One action: `connection.action` with its parameters, or assign, raise, log, emit",
      patternProperties: {
        "^[^.\\s]+\\.[^.\\s]+$": {
          type: "object",
          description: "Parameters of the action; the outcome is not waited for",
        },
      },
      additionalProperties: false,
      minProperties: 1,
      maxProperties: 1,
    },
  ),
);

const transitionKeys = {
  target: Type.Optional(targets),
  guard: Type.Optional(refer<GuardFile>("guard", "Taken only when this holds")),
  actions: actions("on the way"),
  reenter: Type.Optional(Type.Boolean({ description: "Leave and enter the state itself again" })),
  description,
  meta,
};

const Transition = Type.Object(transitionKeys, {
  additionalProperties: false,
  description: "Target, guard and actions",
});

const Delayed = Type.Object(
  {
    delay: Type.Union(
      [
        duration("How long after entering the state"),
        Type.Object(
          { cel: text("CEL that gives a duration such as `15m`, or milliseconds") },
          { additionalProperties: false },
        ),
      ],
      { description: "How long after entering the state: a duration, or { cel: … } that gives one" },
    ),
    id: Type.Optional(text("The timer's name; stays when the duration changes")),
    ...transitionKeys,
  },
  { additionalProperties: false, description: "A delay and where it leads" },
);

const Transitions = Type.Unsafe<TransitionsFile>({
  anyOf: [
    Type.String({ minLength: 1, description: "The state to go to" }),
    Transition,
    Type.Array(Type.Union([Type.String({ minLength: 1, description: "The state to go to" }), Transition]), {
      minItems: 1,
      description: "Candidates: the first whose guard holds is taken",
    }),
  ],
} as TSchema);

const Retry = Type.Object(
  {
    attempts: Type.Optional(
      Type.Integer({ minimum: 1, maximum: LIMITS.attempts, description: "How often it is tried in all" }),
    ),
    initial: Type.Optional(duration("Before the second attempt")),
    factor: Type.Optional(
      Type.Number({ minimum: 1, maximum: 100, description: "Each wait is this many times the last" }),
    ),
    max: Type.Optional(duration("No wait is longer")),
  },
  { additionalProperties: false, description: "How often and when it is tried again" },
);

const Invoke = Type.Object(
  {
    id: Type.Optional(text("The call's name; the default is the state's path and src")),
    src: text("The action, connection.action; its outcome is waited for"),
    input: Type.Optional(values("The parameters of the action")),
    retry: Type.Optional(Retry),
    timeout: Type.Optional(duration("The longest that one attempt may take, at most 25s")),
    onDone: transitions("when it is done; `event.output` holds the result"),
    onError: transitions("when it failed for good; `event.error` holds why"),
    description,
  },
  { additionalProperties: false, description: "An action whose outcome is waited for" },
);

const Actions = Type.Unsafe<ActionsFile>(
  Type.Union([Action, Type.Array(Action)], { description: "One action, or a list" }),
);

const stateKeys = {
  description,
  initial: Type.Optional(text("The child state that is entered first")),
  states: Type.Optional(
    Type.Record(Type.String(), refer<StateFile>("state", "A state"), { description: "The states inside, by name" }),
  ),
  on: Type.Optional(
    Type.Record(Type.String(), refer<TransitionsFile>("transitions", "What is taken on this signal"), {
      description: "Transitions by signal; `jira.*` is any that starts with jira, `*` any other",
    }),
  ),
  always: transitions("at once, whenever the guard holds"),
  after: Type.Optional(
    Type.Union(
      [
        Type.Record(Type.String(), refer<TransitionsFile>("transitions", "What is taken when the time has come")),
        Type.Array(Delayed, { minItems: 1 }),
      ],
      { description: "Transitions by duration since the state was entered: { 15m: late }, or a list with delay" },
    ),
  ),
  entry: actions("when the state is entered"),
  exit: actions("when the state is left"),
  invoke: Type.Optional(
    Type.Union([Invoke, Type.Array(Invoke)], {
      description: "Actions whose outcome is waited for; left states wait no more",
    }),
  ),
  output: Type.Optional(value("What a final state, or the machine, gives when it is done")),
  tags: Type.Optional(
    Type.Union([Type.String(), Type.Array(Type.String())], { description: "Words to find states by" }),
  ),
  meta,
};

const State = Type.Object(
  {
    id: Type.Optional(text("A name that targets may use as #name")),
    type: Type.Optional(
      Type.Union(
        [
          Type.Literal("atomic"),
          Type.Literal("compound"),
          Type.Literal("parallel"),
          Type.Literal("final"),
          Type.Literal("history"),
        ],
        { description: "Needed for parallel, final and history; else the states inside tell" },
      ),
    ),
    ...stateKeys,
    onDone: transitions("when a final state inside is reached, in a parallel state: in all regions"),
    history: Type.Optional(
      Type.Union([Type.Literal("shallow"), Type.Literal("deep"), Type.Boolean()], {
        description: "Of a history state: shallow remembers the child, deep the whole configuration",
      }),
    ),
    target: Type.Optional(targets),
  },
  { additionalProperties: false, description: "A state" },
);

/** A file in statemachines/. Strict: what is not data, or not known, is refused. */
export const MachineFile = Type.Object(
  {
    id: Type.String({
      pattern: "^[a-z0-9][a-z0-9-]*$",
      maxLength: 100,
      description: "The machine's name, the same as the file's",
    }),
    version: Type.Optional(
      Type.Union([Type.String(), Type.Number()], { description: "A word or number of your own, part of the hash" }),
    ),
    type: Type.Optional(
      Type.Union([Type.Literal("compound"), Type.Literal("parallel")], {
        description: "parallel: all states are active at once",
      }),
    ),
    ...stateKeys,
    states: Type.Record(Type.String(), refer<StateFile>("state", "A state"), {
      minProperties: 1,
      description: "The states, by name",
    }),
    context: Type.Optional(values("What an instance remembers, rendered from the event that creates it")),
    vars: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: "Constants, read as `vars.name` in expressions and templates",
      }),
    ),
    aliases: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        description: "What the outside calls our states or words, read as `vars.aliases.name`",
      }),
    ),
    templates: Type.Optional(
      Type.Record(Type.String(), Type.String(), {
        description: "Texts for { template: name } and {{> name}}; they win over rules/templates",
      }),
    ),
    manual: Type.Optional(
      Type.Array(eventName("A signal"), {
        description: "Signals that people give by hand; check then does not miss a rule that sends them",
      }),
    ),
    migrate: Type.Optional(
      Type.Object(
        {
          states: Type.Optional(
            Type.Record(Type.String(), text("The state of this file that it is now, by its path"), {
              description:
                "Where the states went that earlier definitions had, by their paths: { open.waiting: queued }",
            }),
          ),
          context: Type.Optional(values("What keys of the context become, computed from the old ones")),
        },
        {
          additionalProperties: false,
          description: "How instances of earlier definitions come to this one; no part of the definition's hash",
        },
      ),
    ),
    startOn: Type.Optional(
      Type.Array(eventName("A signal"), {
        minItems: 1,
        description: "Signals that may create an instance; without it, those that the first states accept",
      }),
    ),
  },
  {
    $id: "machine",
    title: "Signalbox machine",
    additionalProperties: false,
    definitions: {
      state: State,
      transitions: Transitions,
      guard: Guard,
      actions: Actions,
    },
  },
);

/** A machine file as written, once it fits the schema. */
export interface MachineFile extends Omit<StateFile, "type" | "onDone" | "history" | "target"> {
  id: string;
  version?: string | number;
  type?: "compound" | "parallel";
  context?: Record<string, unknown>;
  vars?: Record<string, unknown>;
  aliases?: Record<string, string>;
  templates?: Record<string, string>;
  manual?: string[];
  migrate?: { states?: Record<string, string>; context?: Record<string, unknown> };
  startOn?: string[];
}
