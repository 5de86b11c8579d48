/**
 * `why`: how a claim, task or agent came to where it is: what the log says about it, what was refused over
 * it, and what became since of whatever stood in the way.
 */
import type { Entry } from "../../core/model/slice.ts";
import { type Obstacle, type Refusal, recallRefusals } from "../place/refusals.ts";
import { exits, type Run } from "./command.ts";
import { formatMoment, formatSpan } from "./durations.ts";
import { entryText, horizonOf, LAST, reading } from "./past.ts";
import { hubOf, type Reached, reaching } from "./reach.ts";
import { safeLine, styled } from "./render.ts";

/** How a grant ended; absent: it stands. */
interface Ended {
  readonly how: string;
  /** Absent: that entry is not in the log any more. */
  readonly entry?: { readonly by: string; readonly seq: number; readonly wallMs: number };
}

type Followed = Refusal & {
  readonly since: readonly (Obstacle & { readonly ended?: Ended })[];
};

export const whyVerb: Run = (command) =>
  reaching(command, "look", async (reached) => {
    const { args, out } = command;
    const id = args.word(0, "ID");
    const limit = args.integer("limit") ?? LAST;
    const refusals = recallRefusals(reached.folder, hubOf(command), id).slice(-limit);
    const { entries, endOf, horizon } = await readAbout(reached, id, refusals);
    const items = entries.slice(-limit);
    const standing = await stillHeld(reached, refusals);
    const refused = refusals.map(
      (refusal): Followed => ({
        ...refusal,
        since: refusal.inTheWay.map((obstacle) => {
          const ended = endOf(obstacle);
          if (ended !== undefined) return { ...obstacle, ended };
          return standing.has(keyOf(obstacle)) ? obstacle : { ...obstacle, ended: { how: "ended" } };
        }),
      }),
    );
    const now = (await reached.client.call("claims.list", { claim: id })).items[0];
    const nothing = items.length + refused.length === 0;
    if (out.json) out.data({ id, items, refused, ...(now === undefined ? {} : { now }) }, () => "");
    else {
      if (horizon > 0) out.say(`The log begins after entry ${horizon}; what was before is not told.`);
      if (nothing)
        out.say(`Nothing in the log is about ${safeLine(id)}, and nothing was refused over it here.`);
      else out.data(items, () => storyText(items, refused));
      if (now !== undefined) {
        const { holder, epoch, remainingMs, waiting } = now;
        const left = remainingMs > 0 ? `for another ${formatSpan(remainingMs)}` : "overdue";
        out.data(now, () => safeLine(`now held by ${holder}, epoch ${epoch}, ${left}, ${waiting} waiting`));
      }
    }
    return nothing ? exits.failed : exits.ok;
  });

/** The grants in the way that are live now. */
async function stillHeld({ client }: Reached, refusals: readonly Refusal[]): Promise<ReadonlySet<string>> {
  const standing = new Set<string>();
  const claims = new Set(refusals.flatMap(({ inTheWay }) => inTheWay.map(({ claim }) => claim)));
  for (const claim of claims) {
    const { items } = await client.call("claims.list", { claim });
    for (const item of items) standing.add(keyOf(item));
  }
  return standing;
}

/** What the log says about an id, and how the grants ended that refusals name. */
async function readAbout({ client }: Reached, id: string, refusals: readonly Refusal[]) {
  const ends = new Map<string, Ended | undefined>();
  for (const { inTheWay } of refusals) for (const one of inTheWay) ends.set(keyOf(one), undefined);
  const entries: Entry[] = [];
  const take = (entry: Entry): void => {
    const about = entry.events.filter((event) => names(event, id));
    if (about.length > 0) entries.push({ ...entry, events: about });
    if (ends.size === 0) return;
    for (const event of entry.events) note(ends, event as unknown as Fields, entry);
  };
  let horizon = 0;
  try {
    for await (const entry of reading(client, 0, {})) take(entry);
  } catch (error) {
    const begin = horizonOf(error);
    if (begin === undefined) throw error;
    horizon = begin;
    for await (const entry of reading(client, horizon, {})) take(entry);
  }
  return { entries, horizon, endOf: (obstacle: Obstacle) => ends.get(keyOf(obstacle)) };
}

interface Fields {
  readonly type: string;
  readonly [field: string]: unknown;
}

const ENDINGS: { readonly [type: string]: string } = {
  "claim.released": "released",
  "claim.expired": "expired",
  "claim.broken": "broken",
};

function note(ends: Map<string, Ended | undefined>, event: Fields, { seq, wallMs, by }: Entry): void {
  const entry = { by, seq, wallMs };
  const { type, claim, epoch } = event;
  if (type === "claim.handed-off" || type === "claim.granted") {
    // Whoever held it under an older epoch does not any more.
    const prefix = `${String(claim)} `;
    for (const [key, ended] of ends) {
      const older = key.startsWith(prefix) && Number(key.slice(prefix.length)) < Number(epoch);
      if (older && ended === undefined) ends.set(key, { how: `passed to ${event.to ?? by}`, entry });
    }
  }
  const how = ENDINGS[type];
  const key = `${String(claim)} ${String(epoch)}`;
  if (how === undefined || !ends.has(key)) return;
  const outcome = typeof event.outcome === "string" ? `, ${event.outcome}` : "";
  ends.set(key, { how: `${how}${outcome}`, entry });
}

function keyOf({ claim, epoch }: Obstacle): string {
  return `${claim} ${epoch}`;
}

/** What happened and what was refused, in the order of time. */
function storyText(items: readonly Entry[], refused: readonly Followed[]): string {
  const told = [
    ...items.map((entry) => ({ wallMs: entry.wallMs, text: entryText(entry) })),
    ...refused.map((refusal) => ({ wallMs: refusal.wallMs, text: refusalText(refusal) })),
  ];
  told.sort((a, b) => a.wallMs - b.wallMs);
  return told.map(({ text }) => text).join("\n");
}

function refusalText({ wallMs, agent, command, code, message, since }: Followed): string {
  const head = `        ${formatMoment(wallMs)}  ${safeLine(agent)}  ${styled("bold", "refused")}`;
  const lines = [
    `${head}  ${safeLine(command.join(" "))}`,
    `          ${safeLine(code)}: ${safeLine(message)}`,
  ];
  for (const { claim, holder, ended } of since) {
    const { by = "", seq = 0, wallMs = 0 } = ended?.entry ?? {};
    const where = seq === 0 ? "" : ` at ${formatMoment(wallMs)} (#${seq}, by ${by})`;
    const became =
      ended === undefined
        ? `${holder} holds ${claim} still`
        : `${claim} of ${holder} was ${ended.how}${where}`;
    lines.push(`          since then: ${safeLine(became)}`);
  }
  return lines.join("\n");
}

/** Whether an event is about an id: one of its plain fields is it. */
function names(event: object, id: string): boolean {
  return Object.entries(event).some(
    ([name, value]) => name !== "type" && (value === id || (Array.isArray(value) && value.includes(id))),
  );
}
