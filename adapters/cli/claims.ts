/**
 * The verbs that act on a claim. Each sends the epoch that was granted here, or the one that was given,
 * never one looked up just before (CL23).
 */
import type { Grant, Leased, Params } from "../../core/client/methods.ts";
import { Refused } from "../../core/client/refused.ts";
import type { Scope } from "../../core/model/scopes.ts";
import { toScope } from "../place/paths.ts";
import { usage } from "./arguments.ts";
import { type Command, exits, type Run } from "./command.ts";
import { formatMoment, formatSpan } from "./durations.ts";
import { Epochs } from "./epochs.ts";
import { type Reached, reaching } from "./reach.ts";
import { safeLine, safeText } from "./render.ts";

/**
 * An epoch no grant ever has, for the entry that made the log has it: sent where none is remembered, so
 * that the refusal says how things stand.
 */
const NEVER_GRANTED = 1;

/** The scope that `--paths` means, if it was given. */
export function scopeOf(
  { args, cwd }: Command,
  { repository, worktree }: Pick<Reached, "repository" | "worktree">,
): Scope | undefined {
  const given = args.list("paths");
  return given === undefined ? undefined : { worktree, ...toScope(given, repository.root, cwd) };
}

export const claimVerb: Run = (command) =>
  reaching(command, "act", async (reached) => {
    const { args, out, cwd } = command;
    const claim = args.word(0, "ID");
    const onGone = args.text("on-gone");
    if (onGone !== undefined && onGone !== "release") usage("--on-gone takes release, nothing else.");
    const params = {
      claim,
      ...acquireParams(command, scopeOf(command, reached)),
      ...added(args.list("add"), reached, cwd),
      ...(args.flag("across-worktrees") ? { acrossWorktrees: true } : {}),
      ...(args.flag("fresh") ? { fresh: true } : {}),
      ...(args.text("task") === undefined ? {} : { task: args.text("task") as string }),
      ...(onGone === undefined ? {} : { onGone: "release" as const }),
    };
    const grant = await acquire(command, reached, params);
    new Epochs(reached).remember(claim, grant.epoch);
    out.data(grant, () => claimText(grant));
    return exits.ok;
  });

/** What `claim` and `lock` say alike. */
export function acquireParams({ args }: Command, scope: Scope | undefined) {
  const ttlMs = args.durationMs("ttl");
  const waitMs = args.durationMs("wait");
  const note = args.text("note");
  return {
    ...(scope === undefined ? {} : { scope }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
    ...(waitMs === undefined ? {} : { waitMs }),
    ...(args.flag("shared") ? { shared: true } : {}),
    ...(note === undefined ? {} : { note }),
  };
}

type AcquireParams = Params<"claim.acquire">;

/** Extends the grant that is remembered, if it still stands; else asks for a new one. */
export async function acquire({ args }: Command, reached: Reached, params: AcquireParams): Promise<Grant> {
  const given = args.integer("epoch");
  const { client } = reached;
  const known = new Epochs(reached).recall(params.claim);
  const epoch =
    given ?? (known === undefined || known.ended || params.fresh === true ? undefined : known.epoch);
  try {
    return await client.call("claim.acquire", { ...params, ...(epoch === undefined ? {} : { epoch }) });
  } catch (error) {
    const over =
      error instanceof Refused && (error.code === "claim.unknown" || error.code === "claim.not-holder");
    if (given !== undefined || epoch === undefined || !over) throw error;
    return client.call("claim.acquire", params);
  }
}

function added(given: readonly string[] | undefined, { repository }: Reached, cwd: string) {
  if (given === undefined) return {};
  const { files, paths } = toScope(given, repository.root, cwd);
  return {
    ...(files === undefined ? {} : { addFiles: files }),
    ...(paths === undefined ? {} : { addPaths: paths }),
  };
}

/** A grant for people, with what its holder should know. */
export function claimText(grant: Grant): string {
  const lines = [`${leaseText(grant)}${covered(grant.scope)}`];
  if (grant.checkpoint !== undefined) {
    const { text, summary, savedBy, ref } = grant.checkpoint;
    lines.push(
      `checkpoint by ${savedBy}${summary === undefined ? "" : `: ${summary}`}${ref === undefined ? "" : ` (${ref})`}`,
    );
    lines.push(text.replace(/^/gm, "  "));
  }
  for (const { claim, holder, worktree } of grant.nearby ?? []) {
    lines.push(
      `nearby: ${holder} holds ${claim}${worktree === undefined ? "" : ` in ${worktree}`}; it meets this at merge`,
    );
  }
  if (grant.nearbyMore === true) lines.push("nearby: and others");
  return safeText(lines.join("\n"));
}

function covered(scope: Scope | undefined): string {
  if (scope === undefined) return "";
  return `\n  covers ${[...(scope.files ?? []), ...(scope.paths ?? [])].join(", ")}`;
}

function leaseText({ claim, holder, epoch, remainingMs }: Leased): string {
  const until = formatMoment(Date.now() + remainingMs);
  return `${claim}: held by ${holder} until ${until} (${formatSpan(remainingMs)}), epoch ${epoch}`;
}

/** The epoch to act under; a hint where none is known here. */
function epochFor({ args, out }: Command, reached: Reached, claim: string): number {
  const epoch = args.integer("epoch") ?? new Epochs(reached).recall(claim)?.epoch;
  if (epoch !== undefined) return epoch;
  out.say(
    `No epoch of ${safeLine(claim)} is remembered here for ${safeLine(reached.agent)}; ` +
      "give --epoch N if it was granted elsewhere.",
  );
  return NEVER_GRANTED;
}

export const renewVerb: Run = (command) =>
  reaching(command, "act", async (reached) => {
    const { args, out } = command;
    const claim = args.word(0, "ID");
    const ttlMs = args.durationMs("ttl");
    const epoch = epochFor(command, reached, claim);
    const lease = await reached.client.call("claim.renew", {
      claim,
      epoch,
      ...(ttlMs === undefined ? {} : { ttlMs }),
    });
    new Epochs(reached).remember(claim, lease.epoch);
    out.data(lease, () => safeLine(leaseText(lease)));
    return exits.ok;
  });

export const releaseVerb: Run = (command) =>
  reaching(command, "act", async (reached) => {
    const epochs = new Epochs(reached);
    const { client } = reached;
    const { args, out } = command;
    const claim = args.word(0, "ID");
    const outcome = args.text("outcome");
    if (outcome !== undefined && outcome !== "done" && outcome !== "failed" && outcome !== "abandoned") {
      usage("--outcome takes done, failed or abandoned.");
    }
    // Without a grant of its own to name, the holder's word is enough (CL12).
    const epoch = args.integer("epoch") ?? epochs.recall(claim)?.epoch;
    const released = await client.call("claim.release", {
      claim,
      ...(epoch === undefined ? {} : { epoch }),
      ...(outcome === undefined ? {} : { outcome }),
    });
    if (epoch !== undefined) epochs.end(claim, epoch);
    out.data(released, () => safeLine(`${claim}: released, ${released.outcome}`));
    return exits.ok;
  });

export const reportVerb: Run = (command) =>
  reaching(command, "act", async (reached) => {
    const { args, out } = command;
    const claim = args.word(0, "ID");
    const status = args.word(1, "working or input-required");
    if (status !== "working" && status !== "input-required") usage("A status is working or input-required.");
    const note = args.text("note");
    const artifact = args.text("artifact");
    const reported = await reached.client.call("claim.report", {
      claim,
      epoch: epochFor(command, reached, claim),
      status,
      ...(note === undefined ? {} : { note }),
      ...(artifact === undefined ? {} : { artifact }),
    });
    out.data(reported, () => safeLine(`${claim}: ${status}`));
    return exits.ok;
  });

export const handoffVerb: Run = (command) =>
  reaching(command, "act", async (reached) => {
    const { args, out } = command;
    const claim = args.word(0, "ID");
    const to = args.text("to") ?? usage("--to is missing: who gets it?");
    const epoch = epochFor(command, reached, claim);
    const handed = await reached.client.call("claim.handoff", { claim, epoch, to });
    new Epochs(reached).end(claim, epoch);
    out.data(handed, () => safeLine(`${claim}: handed to ${to}, epoch ${handed.epoch}`));
    return exits.ok;
  });

export const checkpointVerb: Run = async (command) => {
  const { args, out } = command;
  const claim = args.word(0, "ID");
  if (args.flag("list")) return listCheckpoints(command, claim);
  const words = args.words.slice(1).join(" ");
  const text = words === "" || words === "-" ? await standardInput() : words;
  return reaching(command, "act", async (reached) => {
    const summary = args.text("summary");
    const ref = args.text("ref");
    const saved = await reached.client.call("checkpoint.save", {
      claim,
      epoch: epochFor(command, reached, claim),
      text,
      ...(summary === undefined ? {} : { summary }),
      ...(ref === undefined ? {} : { ref }),
    });
    out.data(saved, () => safeLine(`${claim}: checkpoint saved (${Buffer.byteLength(text)} bytes)`));
    return exits.ok;
  });
};

function listCheckpoints(command: Command, claim: string): Promise<number> {
  return reaching(command, "look", async ({ client }) => {
    const page = await client.call("checkpoints.list", { claim });
    command.out.data(page, () =>
      page.items
        .map(({ text, summary, ref, savedBy, savedAtMs }) => {
          const ago = formatSpan(page.nowMs - savedAtMs);
          const about = [summary, ref].filter((part) => part !== undefined).join(" · ");
          return safeText(
            `${savedBy}, ${ago} ago${about === "" ? "" : `: ${about}`}\n${text.replace(/^/gm, "  ")}`,
          );
        })
        .join("\n"),
    );
    return exits.ok;
  });
}

export const breakVerb: Run = (command) =>
  reaching(command, "operate", async ({ client }) => {
    const { args, out } = command;
    const claim = args.word(0, "ID");
    const reason = args.text("reason");
    const broken = await client.call("claim.break", { claim, ...(reason === undefined ? {} : { reason }) });
    out.data(broken, () => safeLine(`${claim}: broken; ${broken.holder} held it`));
    return exits.ok;
  });

/** Everything on standard input. */
export async function standardInput(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
