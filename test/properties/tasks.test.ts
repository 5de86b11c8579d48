/**
 * Tasks under random commands, against a dumb reading of the ledger: what is ready, what rolls up, who holds what.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Command, State } from "../../core/model/model.ts";
import type { Task } from "../../core/model/task-state.ts";
import { Fleet } from "../core/fleet.ts";

const agent = fc.constantFrom("ann", "bob", "cy");
const task = fc.constantFrom("a", "b", "c", "d", "e", "f");
const claim = fc.oneof(task, fc.constantFrom("x", "y"));
const some = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const said = {
  dependsOn: some(fc.uniqueArray(task, { maxLength: 2 })),
  parent: some(task),
  priority: some(fc.integer({ min: -1, max: 1 })),
  requires: some(fc.constantFrom(["rust"], [])),
};
const path = fc.constantFrom(["src/a/**"], ["src/**"], ["lib/x.ts"]);
const move = <T extends string>(...types: T[]) => fc.record({ type: fc.constantFrom(...types), task });

/** `version` and `epoch` may be `true`: the current one. */
const command = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("task.declare"),
      task,
      title: task,
      ...said,
      paths: some(path),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("task.amend"),
      task,
      version: fc.constantFrom(true, 1),
      ...said,
      noParent: some(fc.boolean()),
      owner: some(agent),
    }),
  },
  {
    weight: 5,
    arbitrary: move(
      "task.start",
      "task.complete",
      "task.complete",
      "task.fail",
      "task.cancel",
      "task.reopen",
    ),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("task.block"), task, reason: fc.constant("r") }) },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant("task.next"), capabilities: some(fc.constant(["rust"])) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("claim.acquire"),
      claim,
      task: some(task),
      epoch: some(fc.constant(true)),
      waitMs: some(fc.constant(5000)),
      ttlMs: some(fc.constant(2000)),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("claim.release"),
      claim,
      outcome: some(fc.constantFrom("done", "failed", "abandoned")),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("claim.handoff"), claim, epoch: fc.constant(true), to: agent }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("claim.break"), claim }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("progress.note"), task, kind: fc.constant("note"), text: task }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("message.post"),
      to: fc.oneof(agent, fc.constant("all")),
      kind: fc.constantFrom("task_request", "task_result"),
      body: task,
      replyTo: some(fc.constant(true)),
    }),
  },
);
const step = fc.record({ by: agent, operator: fc.boolean(), ms: fc.constantFrom(0, 0, 1, 1500), command });
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** Sends a step's command, what is left out left out, and `true` replaced by what it stands for. */
function take(fleet: Fleet, { by, operator, command }: Step) {
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(command)) if (value !== undefined) fields[name] = value;
  const { tasks, claims, messages } = fleet.state;
  if (fields.version === true) fields.version = tasks.byId.get(String(fields.task))?.version ?? 1;
  if (fields.epoch === true) fields.epoch = claims.live.get(String(fields.claim))?.epoch ?? 1;
  if (fields.replyTo === true) {
    const last = messages.bySeq.last()?.[1];
    if (last) fields.replyTo = last.message;
    else delete fields.replyTo;
  }
  return fleet.send(by, fields as unknown as Command, operator);
}

const all = (state: State): Task[] =>
  [...state.tasks.order.values()].map((id) => state.tasks.byId.get(id) as Task);
const finished = (task: Task | undefined) => task !== undefined && /done|failed|cancelled/.test(task.status);
const met = (task: Task | undefined) => task?.status === "done" || task?.status === "cancelled";
const childrenOf = (state: State, id: string) => all(state).filter((task) => task.parent === id);

function settled(state: State, id: string): boolean {
  const children = childrenOf(state, id);
  return children.every(met) && children.some((task) => task.status === "done");
}

/** TA5, read off the tasks and the live claims. */
function readyTasks(state: State): string[] {
  const live = [...state.claims.live.values()];
  const ready = all(state).filter(
    (task) =>
      task.status === "open" &&
      childrenOf(state, task.task).every(finished) &&
      !live.some((claim) => claim.claim === task.task || claim.task === task.task) &&
      task.dependsOn.every((id) => met(state.tasks.byId.get(id))),
  );
  return ready.sort((a, b) => b.priority - a.priority || a.place - b.place).map(({ task }) => task);
}

function waitsForItself(state: State): boolean {
  const next = (id: string) => [
    ...(state.tasks.byId.get(id)?.dependsOn ?? []),
    ...childrenOf(state, id).map((task) => task.task),
  ];
  return all(state).some(({ task }) => {
    const seen = new Set<string>();
    for (const queue = next(task); queue.length > 0; ) {
      const id = queue.pop() as string;
      if (id === task) return true;
      if (!seen.has(id)) queue.push(...next(id));
      seen.add(id);
    }
    return false;
  });
}

/** TA9: what an entry did to children shows in their parents. */
function checkRollUp(before: State, after: State) {
  for (const parent of all(after)) {
    const now = childrenOf(after, parent.task);
    const changed =
      now.some((task) => {
        const was = before.tasks.byId.get(task.task);
        return was?.parent !== task.parent || met(was) !== met(task);
      }) || childrenOf(before, parent.task).length !== now.length;
    if (changed && settled(after, parent.task)) expect(finished(parent), `${parent.task} settled`).toBe(true);
    const worse = now.some((task) => {
      const was = before.tasks.byId.get(task.task);
      return !met(task) && (was?.parent !== task.parent || met(was));
    });
    if (worse) expect(parent.status, `${parent.task} over an unsettled child`).not.toBe("done");
  }
}

function checkClaims(state: State) {
  const on = [...state.claims.live.values()].filter((claim) => claim.task !== undefined);
  expect(new Set(on.map((claim) => claim.task)).size, "one live claim a task").toBe(on.length);
  expect(new Map(state.tasks.claimed)).toEqual(new Map(on.map((claim) => [claim.task, claim.claim])));
  for (const { task, status, owner } of all(state)) {
    const holder = on.find((claim) => claim.task === task)?.holder;
    if (holder === undefined) continue;
    expect(status, `${task} is claimed`).not.toBe("open");
    if (status === "in-progress") expect(owner).toBe(holder);
  }
}

function checkEntryEvents(fleet: Fleet, from: number) {
  for (const { events } of fleet.entries.slice(from)) {
    for (const event of events) {
      if (event.type !== "task.completed" || event.child === undefined) continue;
      expect(settled(fleet.state, event.task) || fleet.entries.length - from > 1).toBe(true);
    }
  }
}

function fleetOf(settings: object): Fleet {
  const fleet = new Fleet({ stalledAfterMs: 4000, ...settings });
  for (const name of ["ann", "bob", "cy"]) fleet.join(name);
  return fleet;
}

const steps = fc.array(step, { minLength: 1, maxLength: 60 });

test("whatever is sent, the ledger is what a dumb reading of it says", () => {
  fc.assert(
    fc.property(steps, (taken) => {
      const fleet = fleetOf({});
      for (const one of taken) {
        let before = fleet.state;
        fleet.tick(one.ms);
        checkRollUp(before, fleet.state);
        before = fleet.state;
        const from = fleet.entries.length;
        const told = take(fleet, one);
        const { state } = fleet;
        if (told.refused !== undefined) expect(state).toBe(before);
        expect([...state.tasks.ready.values()]).toEqual(readyTasks(state));
        expect(waitsForItself(state)).toBe(false);
        checkRollUp(before, state);
        checkClaims(state);
        checkEntryEvents(fleet, from);
        const { ended, counts, byId } = state.tasks;
        expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(byId.size);
        for (const { status } of all(state)) expect(counts[status]).toBeGreaterThan(0);
        for (const id of ended.values()) expect(finished(byId.get(id))).toBe(true);
      }
      fleet.verify("tasks", "progress");
    }),
    { numRuns: 300 },
  );
});

test("TA15: whatever is sent, no more is kept than is to be, and nothing that is needed is forgotten", () => {
  fc.assert(
    fc.property(steps, (taken) => {
      const fleet = fleetOf({ tasksEndedMax: 2, progressMax: 2 });
      for (const one of taken) {
        fleet.tick(one.ms);
        const before = fleet.state;
        take(fleet, one);
        const { state } = fleet;
        const needed = (id: string) =>
          all(state).some((task) => !finished(task) && (task.parent === id || task.dependsOn.includes(id)));
        const free = all(state).filter((task) => finished(task) && !needed(task.task));
        expect(free.length).toBeLessThanOrEqual(2);
        expect([...state.tasks.ended.values()].sort()).toEqual(free.map(({ task }) => task).sort());
        for (const { task } of all(before)) if (!state.tasks.byId.has(task)) expect(needed(task)).toBe(false);
        expect(waitsForItself(state)).toBe(false);
        expect([...state.tasks.ready.values()]).toEqual(readyTasks(state));
      }
      fleet.verify("tasks", "progress");
    }),
    { numRuns: 300 },
  );
});
