/**
 * What agents ask for: claims that get in each other's way on purpose, old epochs of superseded selves, and
 * every other method there is, with fields drawn from its schema and from a world small enough to collide in.
 */
import fc from "fast-check";
import { type Command, tables } from "../../core/model/model.ts";
import type { ObjectShape, OptionalShape, Shape } from "../../core/model/shape.ts";
import { arbitrary } from "../properties/arbitrary.ts";
import type { Random } from "./random.ts";

/** Patterns in use, each with what it covers, written down by hand, of the paths there are. */
export const patterns: { readonly [pattern: string]: readonly string[] } = {
  "**": ["a", "a/x.ts", "a/y.js", "a/d/z.ts", "b/x.ts", "b/w", "b/w/v"],
  a: ["a", "a/x.ts", "a/y.js", "a/d/z.ts"],
  "a/**": ["a", "a/x.ts", "a/y.js", "a/d/z.ts"],
  "a/*.ts": ["a/x.ts"],
  "a/{x.ts,y.js}": ["a/x.ts", "a/y.js"],
  "**/*.ts": ["a/x.ts", "a/d/z.ts", "b/x.ts"],
  "b/w": ["b/w", "b/w/v"],
  "b/x.ts": ["b/x.ts"],
  "./b//w/v": ["b/w/v"],
  "*/x.ts": ["a/x.ts", "b/x.ts"],
};
/** Exact files in use; each covers itself. */
export const files = ["a/x.ts", "a/d/z.ts", "b/w", "b/x.ts"];

export const claimIds = ["C0", "C1", "C2", "C3", "T0"];
const taskIds = ["T0", "T1", "T2", "T3"];
const worktrees = [undefined, undefined, "w1", "w1", "w2"];

/** What an agent remembers of the world when it asks. */
export interface Known {
  readonly agent: string;
  readonly agents: readonly string[];
  /** Grants it heard of, the newest last: its own of now and before, whether they still stand or not. */
  readonly grants: readonly { readonly claim: string; readonly epoch: number }[];
  readonly reservations: readonly { readonly name: string; readonly epoch: number }[];
  readonly seq: number;
}

type Asked = { readonly method: string; readonly params: Record<string, unknown> };

/** The next command of an agent. */
export function drawCommand(random: Random, known: Known): Asked {
  const kind = random.weighted([
    [34, "acquire"],
    [12, "renew"],
    [12, "release"],
    [7, "handoff"],
    [4, "report"],
    [7, "save"],
    [known.agent === "op" ? 20 : 0, "break"],
    [1, "leave"],
    [20, "other"],
  ] as const);
  const grant = random.happens(0.75) ? known.grants[known.grants.length - 1] : undefined;
  const { claim, epoch } =
    grant ?? (known.grants.length > 0 ? random.pick(known.grants) : guess(random, known));
  const named = random.happens(0.8) ? { epoch } : {};
  switch (kind) {
    case "acquire":
      return { method: "claim.acquire", params: acquire(random, known) };
    case "renew":
      return { method: "claim.renew", params: { claim, epoch, ...maybe(random, 0.5, "ttlMs", ttl(random)) } };
    case "release": {
      const outcome = maybe(random, 0.6, "outcome", random.pick(["done", "failed", "abandoned"]));
      return { method: "claim.release", params: { claim, ...named, ...outcome } };
    }
    case "handoff":
      return { method: "claim.handoff", params: { claim, epoch, to: random.pick(known.agents) } };
    case "report": {
      const status = random.pick(["working", "input-required"]);
      return { method: "claim.report", params: { claim, epoch, status } };
    }
    case "save":
      return { method: "checkpoint.save", params: { claim, epoch, text: `at ${random.between(1, 9)}` } };
    case "break":
      return { method: "claim.break", params: { claim: random.pick(claimIds) } };
    case "leave":
      return { method: "agent.leave", params: {} };
    default:
      return other(random, known);
  }
}

/** A question: any there is. */
export function drawQuery(random: Random, known: Known): Asked {
  const method = random.happens(0.5)
    ? random.pick(["claims.list", "waits.list", "claims.covering", "state.summary"])
    : random.pick(Object.keys(tables.queries));
  const query = tables.queries[method];
  const params = query === undefined ? {} : fields(query.params, random, known);
  return { method, params: random.happens(0.5) && method.endsWith(".list") ? {} : params };
}

function guess(random: Random, known: Known) {
  return { claim: random.pick(claimIds), epoch: random.between(1, Math.max(1, known.seq)) };
}

function acquire(random: Random, known: Known): Record<string, unknown> {
  const claim = random.pick(claimIds);
  const mine = known.grants.filter((grant) => grant.claim === claim);
  const epoch = mine[mine.length - 1]?.epoch;
  return {
    claim,
    ...(random.happens(0.65) ? { scope: scope(random) } : {}),
    ...maybe(random, 0.9, "ttlMs", ttl(random)),
    ...maybe(random, 0.4, "waitMs", random.between(200, 6000)),
    ...maybe(random, 0.25, "shared", true),
    ...maybe(random, 0.1, "acrossWorktrees", true),
    ...maybe(random, 0.05, "fresh", true),
    ...maybe(random, 0.1, "onGone", "release"),
    ...maybe(random, 0.1, "task", random.pick(taskIds)),
    ...maybe(random, 0.1, "addFiles", [random.pick(files)]),
    ...(epoch !== undefined && random.happens(0.25) ? { epoch } : {}),
  };
}

function scope(random: Random): object {
  const worktree = random.pick(worktrees);
  const place = worktree === undefined ? {} : { worktree };
  const first = random.happens(0.4)
    ? { files: [random.pick(files)] }
    : { paths: [random.pick(Object.keys(patterns))] };
  const more = random.happens(0.2) ? { paths: [random.pick(Object.keys(patterns))] } : {};
  return { ...place, ...first, ...more };
}

const ttl = (random: Random) => (random.happens(0.8) ? random.between(1000, 5000) : 20_000);

function maybe(random: Random, share: number, name: string, value: unknown): Record<string, unknown> {
  return random.happens(share) ? { [name]: value } : {};
}

const others = Object.keys(tables.commands).filter(
  (method) => !method.startsWith("claim.") && method !== "agent.leave",
);

function other(random: Random, known: Known): Asked {
  const method = random.pick(others);
  const shape = tables.commands[method] as ObjectShape;
  if (random.happens(0.1)) return { method, params: random.pick(strange(method, shape)) };
  const params = fields(shape, random, known);
  // What would make the small world useless soon is asked for, but seldom.
  if (method.startsWith("log.") && random.happens(0.9)) return other(random, known);
  return { method, params };
}

const pools = new Map<string, readonly Record<string, unknown>[]>();

/** Valid commands with texts nobody would think of, the same in every run. */
function strange(method: string, shape: ObjectShape): readonly Record<string, unknown>[] {
  let pool = pools.get(method);
  if (pool === undefined) {
    pool = fc.sample(arbitrary(shape), { seed: 1, numRuns: 12 }) as Record<string, unknown>[];
    pools.set(method, pool);
  }
  return pool;
}

/** Names that mean something in this world, by the field they stand in. */
function targeted(name: string, random: Random, known: Known): unknown {
  switch (name) {
    case "claim":
      return random.pick(claimIds);
    case "task":
    case "parent":
      return random.pick(taskIds);
    case "to":
      return random.happens(0.5) ? random.pick(known.agents) : random.pick(["all", "#c", "role:r", "p/*"]);
    case "agent":
    case "holder":
      return random.pick(known.agents);
    case "channel":
      return random.pick(["#c", "#d"]);
    case "name":
    case "document":
    case "block":
    case "kind":
      return undefined;
    case "message":
    case "replyTo":
      return `m${random.between(1, Math.max(1, known.seq))}`;
    case "files":
    case "addFiles":
      return [random.pick(files)];
    case "paths":
      return [random.pick(Object.keys(patterns))];
    case "version":
    case "base":
    case "units":
    case "capacity":
      return random.between(1, 3);
    case "epoch": {
      const held = random.happens(0.8) ? known.reservations[known.reservations.length - 1] : undefined;
      return held?.epoch ?? random.between(1, Math.max(1, known.seq));
    }
    case "limit":
      return random.between(1, 4);
    case "cursor":
      return String(random.between(0, known.seq));
    case "worktree":
      return random.pick(["w1", "w2"]);
    default:
      return name.endsWith("Ms") ? random.between(1000, 20_000) : undefined;
  }
}

function fields(shape: ObjectShape, random: Random, known: Known): Record<string, unknown> {
  const made: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(shape.fields)) {
    if (field.kind === "optional" && random.happens(0.6)) continue;
    const inner =
      (field as OptionalShape).kind === "optional" ? (field as OptionalShape).of : (field as Shape);
    made[name] = value(name, inner, random, known);
  }
  return made;
}

function value(name: string, shape: Shape, random: Random, known: Known): unknown {
  const meant = targeted(name, random, known);
  switch (shape.kind) {
    case "string":
      return typeof meant === "string" ? meant : `${name}${random.between(0, 2)}`;
    case "integer": {
      const drawn = typeof meant === "number" ? meant : random.between(0, 3);
      return Math.min(shape.max, Math.max(shape.min, drawn));
    }
    case "boolean":
      return random.happens(0.5);
    case "choice":
      return random.pick(shape.values);
    case "list": {
      if (Array.isArray(meant)) return meant;
      const singular = name === "dependsOn" ? "task" : name === "messages" ? "message" : name;
      const length = Math.min(shape.max, random.between(Math.max(1, shape.min), Math.max(2, shape.min)));
      return Array.from({ length }, () => value(singular, shape.of, random, known));
    }
    case "object":
      return fields(shape, random, known);
    case "free":
      return { n: random.between(0, 9) };
    case "union":
      return value(name, random.pick(shape.of), random, known);
  }
}

/** The command that a request stands for. */
export function commandOf({ method, params }: Asked): Command {
  return { type: method, ...params } as unknown as Command;
}
