/**
 * The agents: those who work off the plan, those who get in their way, and those who talk.
 *
 * None of them knows of the others but through the hub. Refusals and lost leases are part of their day:
 * they go on with something else.
 */
import type { Client } from "../../../core/client/client.ts";
import type { Lease } from "../../../core/client/lease.ts";
import type { Grant, Params } from "../../../core/client/methods.ts";
import { type Fleet, isPartOfTheGame, type Member, pause, TTL_MS } from "./fleet.ts";

/** Takes tasks by `next` until the plan is done or it is killed. */
export async function worker(fleet: Fleet, member: Member): Promise<void> {
  const { client } = member;
  while (!fleet.finished && !member.dead) {
    try {
      const grant = await client.call("task.next", { ttlMs: TTL_MS });
      member.holding = grant;
      await workOn(client, grant);
    } catch (error) {
      if (!isPartOfTheGame(error)) throw error;
      member.holding = undefined;
      if (!fleet.finished && !member.dead) await fleet.work();
    }
    member.holding = undefined;
  }
}

/** Works longer on bigger changes, saves where it stands, and now and then leaves the rest to another. */
async function workOn(client: Client, { claim, epoch, scope, checkpoint }: Grant): Promise<void> {
  const lease = await client.lease(claim, { epoch, ttlMs: TTL_MS });
  const files = scope?.paths?.length ?? 1;
  const chance = numberOf(claim);
  await lease.report("working", { note: `${files} files` });
  await pause((250 + 60 * Math.min(files, 10)) / 2);
  if (checkpoint === undefined && chance % 3 === 0) {
    await lease.checkpoint(`half of ${files} files are done`, { summary: "half way" });
    if (chance % 4 === 0) {
      await lease.release("abandoned");
      return;
    }
  }
  await pause((250 + 60 * Math.min(files, 10)) / 2);
  if (chance % 5 === 0)
    await client.call("progress.note", { task: claim, kind: "evidence", text: "tests pass" });
  await lease.release("done");
}

/** Comes back after it was thought dead, and acts on what it remembers: the old epoch no longer counts. */
export async function zombie(
  fleet: Fleet,
  name: string,
  held: { claim: string; epoch: number },
): Promise<void> {
  const member = await fleet.join(name);
  try {
    await member.client.call("claim.release", { claim: held.claim, epoch: held.epoch, outcome: "done" });
  } catch (error) {
    if (!isPartOfTheGame(error)) throw error;
  }
  await worker(fleet, member);
}

/** Wants a file that somebody works on, at once; when refused it waits its turn. */
export async function intruder(fleet: Fleet, { name, client }: Member): Promise<void> {
  for (let turn = 1; !fleet.finished; turn++) {
    await fleet.rest(300 + 40 * (numberOf(name) % 10));
    const live = [...fleet.state.claims.live.values()];
    const theirs = live.filter(({ task, scope }) => task !== undefined && scope?.paths !== undefined);
    const file = theirs[(turn * 7 + numberOf(name)) % Math.max(1, theirs.length)]?.scope?.paths?.[0];
    if (file === undefined) continue;
    const claim = `${name}/hotfix-${turn}`;
    const wanted = { scope: { files: [file] }, ttlMs: TTL_MS, note: "urgent" };
    const lease =
      (await tries(client, claim, wanted)) ?? (await tries(client, claim, { ...wanted, waitMs: 4000 }));
    if (lease === undefined) continue;
    await pause(80);
    await quietly(lease.release("done"));
  }
}

/** Looks at whole folders together with others of its kind: shared claims. */
export async function reader(
  fleet: Fleet,
  { name, client }: Member,
  folders: readonly string[],
): Promise<void> {
  for (let turn = 0; !fleet.finished; turn++) {
    await fleet.rest(900);
    const folder = folders[turn % folders.length];
    if (folder === undefined) return;
    const scope = { paths: [`${folder}/**`] };
    const wanted = { scope, shared: true, ttlMs: TTL_MS, waitMs: 2500, note: "review" };
    const lease = await tries(client, `${name}/review-${turn}`, wanted);
    if (lease === undefined) continue;
    await pause(150);
    await quietly(lease.release());
  }
}

/** Two agents that each hold what the other wants: one of them is told that it would wait for ever. */
export async function standOff(one: Client, other: Client): Promise<void> {
  const left = await one.lease("castor/left", { ttlMs: TTL_MS });
  const right = await other.lease("pollux/right", { ttlMs: TTL_MS });
  const waiting = tries(one, "pollux/right", { ttlMs: TTL_MS, waitMs: 8000 });
  await pause(300);
  await tries(other, "castor/left", { ttlMs: TTL_MS, waitMs: 8000 });
  await quietly(right.release());
  await quietly((await waiting)?.release());
  await quietly(left.release());
}

/** Asks a colleague again and again how it goes. */
export async function asker(fleet: Fleet, { client }: Member, colleague: string): Promise<void> {
  for (let turn = 1; !fleet.finished; turn++) {
    await quietly(client.ask(colleague, `How far are we? (${turn})`, { timeoutMs: 15_000 }));
    await fleet.rest(400);
  }
}

/** Answers what it is asked, and acknowledges it, also what came while the hub was away. */
export async function answerer(fleet: Fleet, { name, client }: Member): Promise<void> {
  for await (const { events } of client.follow({
    after: client.seq,
    events: ["message.posted"],
    deliver: true,
  })) {
    for (const event of events) {
      if (event.type !== "message.posted" || !event.recipients.includes(name)) continue;
      const body = `${fleet.done} of ${fleet.size} tasks are done`;
      await client.call("message.post", {
        to: event.from,
        kind: "task_result",
        replyTo: event.message,
        body,
      });
      await client.call("message.acknowledge", { messages: [event.message] });
    }
  }
}

/** Reads what it is sent. */
export async function listener({ name, client }: Member): Promise<void> {
  for await (const { events } of client.follow({
    after: client.seq,
    events: ["message.posted"],
    deliver: true,
  })) {
    for (const event of events) {
      if (event.type !== "message.posted" || !event.recipients.includes(name)) continue;
      await client.call("message.acknowledge", { messages: [event.message] });
    }
  }
}

type Wanted = Omit<Params<"claim.acquire">, "claim">;

async function tries(client: Client, claim: string, wanted: Wanted): Promise<Lease | undefined> {
  try {
    return await client.lease(claim, wanted);
  } catch (error) {
    if (!isPartOfTheGame(error)) throw error;
    return undefined;
  }
}

async function quietly(work: Promise<unknown> | undefined): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!isPartOfTheGame(error)) throw error;
  }
}

/** A number from a name, so that a run is like the next. */
function numberOf(name: string): number {
  return Number(/\d+/.exec(name)?.[0] ?? 0);
}
