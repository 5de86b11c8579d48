/**
 * The proof: what the log says, read for itself and held against what agents were told.
 *
 * Nothing here asks the engine or trusts a counter: claims are followed event by event, and every file is
 * compared with every live claim.
 */
import type { Event } from "../../../core/model/model.ts";
import type { Entry } from "../../../core/model/slice.ts";
import type { Acknowledged, Testimony } from "./testimony.ts";
import type { Planned } from "./trace.ts";

/** One line of the proof. It holds when there is nothing against it. */
export interface Finding {
  readonly what: string;
  readonly against: readonly string[];
}

type Of<T extends Event["type"]> = Extract<Event, { type: T }>;

interface Held {
  readonly claim: string;
  readonly holder: string;
  readonly epoch: number;
  readonly expiresAtMs: number;
  readonly shared: boolean;
  readonly covers: ReadonlySet<string>;
}

/** Everything that can be said from the entries, the plan and the testimony alone. */
export function findings(
  entries: readonly Entry[],
  plan: readonly Planned[],
  testimony: Testimony,
): readonly Finding[] {
  const files = [...new Set(plan.flatMap((task) => task.files))];
  return [
    inOrder(entries),
    acknowledgedIsThere(entries, testimony.acknowledged),
    once(entries),
    oneHolder(entries, files),
    epochsRise(entries),
    refusalsAreTrue(entries, testimony),
    dependenciesFirst(entries, plan),
    allDone(entries, plan),
    delivered(entries),
  ];
}

function inOrder(entries: readonly Entry[]): Finding {
  const against: string[] = [];
  for (const [at, { seq, atMs }] of entries.entries()) {
    if (seq !== at + 1) against.push(`entry ${seq} stands at place ${at + 1}`);
    if (atMs < (entries[at - 1]?.atMs ?? 0)) against.push(`log time goes back at ${seq}`);
  }
  return { what: `${entries.length} entries, without a hole, log time never going back`, against };
}

function acknowledgedIsThere(entries: readonly Entry[], acknowledged: readonly Acknowledged[]): Finding {
  const bySender = new Map(
    entries.filter(({ id }) => id !== "").map((entry) => [`${entry.by}\n${entry.id}`, entry]),
  );
  const against: string[] = [];
  let unchanged = 0;
  for (const { agent, submission, method, seq, epoch } of acknowledged) {
    const own = bySender.get(`${agent}\n${submission}`);
    const said = entries[seq - 1];
    const closes = said?.events.some((event) =>
      isSame("closes" in event ? event.closes : undefined, agent, submission),
    );
    if (own?.seq !== seq && closes !== true) {
      if (own === undefined && epoch === undefined) unchanged += 1;
      else against.push(`${method} of ${agent} was acknowledged at ${seq}, where the log has something else`);
    }
    const grants = said?.events.flatMap((event) => ("epoch" in event ? [event.epoch] : [])) ?? [];
    if (epoch !== undefined && !grants.includes(epoch))
      against.push(`epoch ${epoch} told to ${agent} is not at ${seq}`);
  }
  const rest = unchanged === 0 ? "" : ` (${unchanged} had nothing to change)`;
  return { what: `all ${acknowledged.length} acknowledged commands are in the log${rest}`, against };
}

function isSame(
  closes: { agent: string; submission: string } | undefined,
  agent: string,
  submission: string,
): boolean {
  return closes?.agent === agent && closes.submission === submission;
}

function once(entries: readonly Entry[]): Finding {
  const seen = new Map<string, number>();
  for (const { by, id } of entries)
    if (id !== "") seen.set(`${by} ${id}`, (seen.get(`${by} ${id}`) ?? 0) + 1);
  const against = [...seen].filter(([, count]) => count > 1).map(([name]) => `${name} had two effects`);
  return { what: `${seen.size} submissions, each with one effect, however often it was sent`, against };
}

function oneHolder(entries: readonly Entry[], files: readonly string[]): Finding {
  const live = new Map<string, Held>();
  const against: string[] = [];
  let most = 0;
  for (const { seq, atMs, events } of entries) {
    for (const event of events) {
      if (event.type === "claim.expired" && atMs < (live.get(event.claim)?.expiresAtMs ?? 0)) {
        against.push(`the lease of ${event.claim} ended before its time at ${seq}`);
      }
      follow(live, event, files);
    }
    most = Math.max(most, live.size);
    const holders = new Map<string, Held>();
    for (const held of live.values()) {
      for (const file of held.covers) {
        const other = holders.get(file);
        const both = other !== undefined && other.holder !== held.holder && !(other.shared && held.shared);
        if (both) against.push(`${other.holder} and ${held.holder} both hold ${file} at ${seq}`);
        holders.set(file, other?.shared === false ? other : held);
      }
    }
  }
  return {
    what: `no two holders of one file at any seq, of ${files.length} files and up to ${most} claims`,
    against,
  };
}

/** Keeps the live claims in step with one event. */
function follow(live: Map<string, Held>, event: Event, files: readonly string[]): void {
  switch (event.type) {
    case "claim.granted":
      live.set(event.claim, heldBy(event, files));
      return;
    case "claim.renewed": {
      const before = live.get(event.claim);
      if (before === undefined) return;
      const scope = event.scope === undefined ? {} : { covers: covered(event.scope, files) };
      const shared = event.shared === undefined ? {} : { shared: event.shared };
      live.set(event.claim, { ...before, expiresAtMs: event.expiresAtMs, ...scope, ...shared });
      return;
    }
    case "claim.released":
    case "claim.expired":
    case "claim.broken":
      live.delete(event.claim);
  }
}

function heldBy(
  { claim, holder, epoch, expiresAtMs, shared = false, scope }: Of<"claim.granted">,
  files: readonly string[],
): Held {
  return { claim, holder, epoch, expiresAtMs, shared, covers: covered(scope ?? {}, files) };
}

/** By comparing names alone: files, folders, and folders with `/**`. That is all the demo claims. */
function covered(
  {
    files: names = [],
    paths = [],
  }: { readonly files?: readonly string[]; readonly paths?: readonly string[] },
  files: readonly string[],
): ReadonlySet<string> {
  const folders = paths.map((path) => `${path.replace(/\/\*\*$/, "")}/`);
  const named = new Set([...names, ...paths]);
  return new Set(
    files.filter((file) => named.has(file) || folders.some((folder) => file.startsWith(folder))),
  );
}

function epochsRise(entries: readonly Entry[]): Finding {
  const against: string[] = [];
  let last = 0;
  let grants = 0;
  for (const { seq, events } of entries) {
    for (const event of events) {
      if (event.type !== "claim.granted" && event.type !== "claim.handed-off") continue;
      grants += 1;
      if (event.epoch !== seq || event.epoch <= last)
        against.push(`epoch ${event.epoch} at ${seq} does not rise`);
      last = event.epoch;
    }
  }
  return { what: `${grants} grants, each with a higher epoch than any before it`, against };
}

function refusalsAreTrue(entries: readonly Entry[], { denied }: Testimony): Finding {
  const grants = new Map<number, Of<"claim.granted">>();
  let waits = 0;
  for (const event of entries.flatMap(({ events }) => events)) {
    if (event.type === "claim.granted") grants.set(event.epoch, event);
    if (event.type === "claim.queued") waits += 1;
  }
  const against: string[] = [];
  const counts = new Map<string, number>();
  for (const { agent, code, fields } of denied) {
    if (code === "task.none-ready") continue;
    counts.set(code, (counts.get(code) ?? 0) + 1);
    const named = (code === "claim.overlap" ? fields.conflicts : []) as readonly Held[];
    for (const { claim, holder, epoch } of named) {
      const grant = grants.get(epoch);
      if (grant?.claim === claim && grant.holder === holder) continue;
      against.push(`${agent} was refused for ${claim} of ${holder}, epoch ${epoch}, which was never granted`);
    }
  }
  const told = [...counts].map(([code, count]) => `${count} ${code}`).join(", ");
  const prevented = [...counts]
    .filter(([code]) => code.startsWith("claim."))
    .reduce((sum, [, count]) => sum + count, 0);
  return {
    what:
      `${prevented + waits} conflicts prevented: ${waits} waited their turn, ${prevented} were refused (${told}), ` +
      "every holder they were told of was one",
    against: waits + prevented > 0 ? against : ["there was nothing to prevent"],
  };
}

function dependenciesFirst(entries: readonly Entry[], plan: readonly Planned[]): Finding {
  const needs = new Map(plan.map(({ task, dependsOn }) => [task, dependsOn]));
  const done = new Set<string>();
  const against: string[] = [];
  for (const { seq, events } of entries) {
    for (const event of events) {
      if (event.type === "task.completed") done.add(event.task);
      if (event.type === "task.reopened") done.delete(event.task);
      if (event.type !== "task.started") continue;
      const missing = needs.get(event.task)?.find((need) => !done.has(need));
      if (missing !== undefined)
        against.push(`${event.task} was started at ${seq} before ${missing} was done`);
    }
  }
  const edges = plan.reduce((sum, { dependsOn }) => sum + dependsOn.length, 0);
  return { what: `no task was started before the ${edges} dependencies there are were done`, against };
}

function allDone(entries: readonly Entry[], plan: readonly Planned[]): Finding {
  const completed = new Map<string, number>();
  let reopened = 0;
  let inherited = 0;
  for (const event of entries.flatMap(({ events }) => events)) {
    if (event.type === "task.completed") completed.set(event.task, (completed.get(event.task) ?? 0) + 1);
    if (event.type === "task.reopened") reopened += 1;
    if (event.type === "claim.granted" && event.checkpoint !== undefined) inherited += 1;
  }
  const against = plan.flatMap(({ task }) =>
    completed.get(task) === 1 ? [] : [`${task} was completed ${completed.get(task) ?? 0} times`],
  );
  return {
    what: `${plan.length} tasks done, each once; ${reopened} were given back, ${inherited} taken up from a checkpoint`,
    against,
  };
}

function delivered(entries: readonly Entry[]): Finding {
  const open = new Map<string, string>();
  const requests = new Set<string>();
  let posted = 0;
  let deliveries = 0;
  for (const event of entries.flatMap(({ events }) => events)) {
    if (event.type === "message.posted") {
      posted += 1;
      for (const agent of event.recipients) open.set(`${event.message} ${agent}`, agent);
      if (event.kind === "task_request") requests.add(event.message);
      if (event.kind === "task_result" && event.replyTo !== undefined) requests.delete(event.replyTo);
    } else if (event.type === "message.delivered") deliveries += 1;
    else if (event.type === "message.acknowledged") {
      for (const message of event.messages ?? []) open.delete(`${message} ${event.agent}`);
    }
  }
  const against = [...open.keys()].map((one) => `${one} was not acknowledged`);
  for (const message of requests) against.push(`the request ${message} was not answered`);
  if (posted === 0 || deliveries === 0) against.push("nothing was said, or nothing delivered");
  return {
    what: `${posted} messages, all acknowledged, every request answered; ${deliveries} deliveries noted`,
    against,
  };
}
