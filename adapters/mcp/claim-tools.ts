/**
 * The tools of claims: taking files or names, giving them back, saving where the work stands.
 */
import type { Grant } from "../../core/client/methods.ts";
import { Refused } from "../../core/client/refused.ts";
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import { commands, events, queries } from "../../core/model/model.ts";
import { scope } from "../../core/model/scopes.ts";
import { doc, integer, object, optional } from "../../core/model/shape.ts";
import { CAUTION, CAUTION_FIELD, inline, quoted, span } from "./quote.ts";
import { mayLack, pick } from "./schema.ts";
import type { Caller, Given, ToolSource } from "./tool.ts";

/** How long an answer of the hub may take. */
export const PATIENCE = { timeoutMs: limits.mcpCallMs } as const;

/** An epoch no grant ever has: sent where none is known, so that the refusal says how things stand. */
const NEVER_GRANTED = 1;

const acquire = commands["claim.acquire"].fields;
const granted = events["claim.granted"].fields;

/** Files, folders and patterns, as a model gives them. */
export const pathsField = doc(
  "Files, folders or glob patterns, relative to the project root.",
  scope.fields.paths.of,
);

const waitMs = doc("Queue this long when it is taken; absent: do not wait.", integer(0, limits.mcpWaitMsMax));

export const claimTool: ToolSource = {
  title: "Claim files before editing",
  description:
    "Lease files (or just a name) so that no other agent edits them meanwhile. Use it before you edit. By its holder it " +
    "extends the lease. Returns the epoch, the time left and what the last holder saved; or isError with who holds it and " +
    "until when.",
  actions: {
    claim: {
      exact: true,
      takes: object({
        ...pick(acquire, "claim"),
        paths: optional(pathsField),
        addPaths: optional(doc("More paths for a claim you hold.", pathsField)),
        ...pick(acquire, "ttlMs"),
        waitMs: optional(waitMs),
        ...pick(acquire, "shared", "note", "task", "acrossWorktrees"),
      }),
      run: async (given, caller) => {
        const grant = await claim(given, caller);
        // An extension is not answered with all that the claim covers.
        const added =
          given.addPaths === undefined ? "" : `\nAdded: ${(given.addPaths as string[]).join(", ")}`;
        return { fields: cautious(grant), text: `${grantText(grant, caller)}${added}` };
      },
    },
  },
  gives: { ...pick(granted, "claim", "holder", "epoch"), remainingMs: integer(0) },
};

export const releaseTool: ToolSource = {
  title: "Release or hand off a claim",
  description:
    "Give a claim back when its work is over, or pass it to another agent with `to`. Returns how it ended. Work " +
    "unfinished? Save a checkpoint first.",
  actions: {
    release: {
      takes: object({
        ...pick(commands["claim.release"].fields, "claim"),
        outcome: optional(doc("`abandoned` unless said.", commands["claim.release"].fields.outcome.of)),
        to: mayLack(doc("The agent that gets it.", commands["claim.handoff"].fields.to)),
      }),
      run: (given, caller) => (given.to === undefined ? release(given, caller) : handOff(given, caller)),
    },
  },
  gives: pick(events["claim.released"].fields, "claim", "outcome"),
};

export const checkpointTool: ToolSource = {
  title: "Save where the work stands",
  description:
    "save: keep text (state, next steps) under a claim you hold; whoever holds it next is given it. Use it before you " +
    "stop or hand off. list: the saved ones, newest first.",
  actions: {
    save: {
      takes: object(pick(commands["checkpoint.save"].fields, "claim", "text", "summary", "ref")),
      run: async (given, caller) => {
        const epoch = await epochOf(String(given.claim), caller);
        const saved = await caller.client.send("checkpoint.save", { ...given, epoch }, PATIENCE);
        return { fields: { ...saved }, text: `Saved under ${given.claim}; its next holder is given it.` };
      },
    },
    list: {
      reads: true,
      exact: true,
      takes: queries["checkpoints.list"].params,
      run: async (given, { client }) => {
        const { items, nowMs, ...rest } = await client.call("checkpoints.list", rows(given), PATIENCE);
        const texts = items.map(
          ({ claim, savedBy, savedAtMs, text, summary, ref }) =>
            `${claim}, by ${savedBy} ${span(nowMs - savedAtMs)} ago${said(summary)}${said(ref)}\n${quoted(text)}`,
        );
        const text = texts.length === 0 ? "Nothing is saved." : [CAUTION, ...texts].join("\n");
        return { fields: { caution: CAUTION_FIELD, items, ...rest, nowMs }, text };
      },
    },
  },
  gives: { ...pick(events["checkpoint.saved"].fields, "claim") },
};

/** The given params, with as many rows as a model should read unless it asked for more. */
export function rows<T extends Given>(given: T): T {
  return { limit: limits.mcpRows, ...given };
}

function said(words: string | undefined): string {
  return words === undefined ? "" : `, ${inline(words)}`;
}

/** A grant with the warning that goes with texts of others, where it has any. */
export function cautious(grant: object): Given {
  return "checkpoint" in grant ? { caution: CAUTION_FIELD, ...grant } : { ...grant };
}

/** What a model should know of a grant. */
export function grantText(grant: Grant, { seat }: Caller): string {
  const { claim, epoch, remainingMs, scope, checkpoint, nearby = [], nearbyMore } = grant;
  const covers = [...(scope?.files ?? []), ...(scope?.paths ?? [])];
  const lines = [
    `${claim} is yours${seat.agent === undefined ? "" : ` (${seat.agent})`} for ${span(remainingMs)}, epoch ${epoch}. ` +
      "Claim it again to extend; release it when done.",
  ];
  if (covers.length > 0)
    lines.push(
      `It covers ${covers.slice(0, limits.mcpRows).join(", ")}${covers.length > limits.mcpRows ? " …" : ""}`,
    );
  for (const { claim, holder, worktree } of nearby) {
    lines.push(
      `Nearby: ${holder} holds ${claim}${worktree === undefined ? "" : ` in ${worktree}`}; you will meet at merge.`,
    );
  }
  if (nearbyMore === true) lines.push("Nearby: and others.");
  if (checkpoint !== undefined) {
    const { savedBy, text, summary, ref } = checkpoint;
    lines.push(`Saved by ${savedBy}${said(summary)}${said(ref)}. ${CAUTION}`, quoted(text));
  }
  return lines.join("\n");
}

async function claim(given: Given, caller: Caller): Promise<Grant> {
  const { seat, client, signal } = caller;
  const { paths, addPaths, ...terms } = given;
  const id = String(given.claim);
  const added = addPaths === undefined ? {} : seat.scopeOf(addPaths as readonly string[]);
  const params = {
    ...terms,
    claim: id,
    ...(paths === undefined
      ? {}
      : { scope: { ...labelled(caller), ...seat.scopeOf(paths as readonly string[]) } }),
    ...(added.files === undefined ? {} : { addFiles: added.files }),
    ...(added.paths === undefined ? {} : { addPaths: added.paths }),
  };
  const epoch = seat.epochs.recall(id);
  const grant = await acquireUnder(epoch, params, caller);
  if (signal.aborted && grant.epoch !== epoch) {
    // Granted to nobody: the host gave up while this waited.
    await client.call("claim.release", { claim: id, epoch: grant.epoch, outcome: "abandoned" }, PATIENCE);
    throw new Failure("hub.timeout", `${id} came too late and was given back. Nothing is held.`);
  }
  seat.epochs.remember(id, grant.epoch);
  return grant;
}

/** Extends the grant that is remembered, if it still stands; else asks for a new one. */
async function acquireUnder(
  epoch: number | undefined,
  params: Given & { readonly claim: string },
  { seat, client }: Caller,
): Promise<Grant> {
  if (epoch === undefined) return client.call("claim.acquire", params, PATIENCE);
  try {
    return await client.call("claim.acquire", { ...params, epoch }, PATIENCE);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    // Told once that it was superseded, an agent that asks again asks for a new grant.
    if (error.code === "claim.stale") seat.epochs.end(params.claim, epoch);
    if (error.code !== "claim.unknown" && error.code !== "claim.not-holder") throw error;
    return client.call("claim.acquire", params, PATIENCE);
  }
}

async function release(given: Given, caller: Caller) {
  const { seat, client } = caller;
  const claim = String(given.claim);
  const epoch = seat.epochs.recall(claim);
  // Without a grant of its own to name, the holder's word is enough (CL12).
  const params = { ...given, claim, ...(epoch === undefined ? {} : { epoch }) };
  const released = await client.call("claim.release", params, PATIENCE);
  if (epoch !== undefined) seat.epochs.end(claim, epoch);
  return { fields: { ...released }, text: `${claim} is released, ${released.outcome}.` };
}

async function handOff({ claim: id, to, outcome }: Given, caller: Caller) {
  const claim = String(id);
  if (outcome !== undefined) {
    throw new Failure(
      "usage",
      "Give either `to` or `outcome`: a claim that is handed off goes on. Nothing was changed.",
    );
  }
  const epoch = await epochOf(claim, caller);
  const handed = await caller.client.call("claim.handoff", { claim, epoch, to: String(to) }, PATIENCE);
  caller.seat.epochs.end(claim, epoch);
  return { fields: { ...handed }, text: `${claim} is ${handed.holder}'s now, epoch ${handed.epoch}.` };
}

/** The epoch to act under: of the grant that is remembered, else of the one the agent holds now. */
async function epochOf(claim: string, { seat, client }: Caller): Promise<number> {
  const known = seat.epochs.recall(claim);
  if (known !== undefined) return known;
  const { items } = await client.call("claims.list", { claim }, PATIENCE);
  const [held] = items;
  if (held === undefined || held.holder !== client.agent) return NEVER_GRANTED;
  seat.epochs.remember(claim, held.epoch);
  return held.epoch;
}

/** The worktree's label, where there is one. */
export function labelled({ seat }: Caller): { readonly worktree?: string } {
  return seat.worktree === undefined ? {} : { worktree: seat.worktree };
}
