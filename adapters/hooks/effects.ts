/**
 * Effects: what a shell command changed that nobody could know before. Files that changed while it ran are
 * held against the claims; what its agent does not hold is reported to it and to the holder, and recorded
 * as an unclaimed edit.
 */
import type { Client } from "../../core/client/client.ts";
import { limits } from "../../core/limits.ts";
import { formats } from "../../core/protocol/formats.ts";
import { call } from "./automatic.ts";
import { type Covered, coverOf, judge, obstacleOf } from "./edits.ts";
import { named, quoted } from "./frame.ts";
import type { Policies } from "./policy.ts";
import { type Obstacle, standing } from "./sentences.ts";
import type { Running, Session, Sessions } from "./sessions.ts";
import { changedBetween, Looks } from "./worktree.ts";

/** The kind under which unclaimed edits are found among the activities. */
export const UNCLAIMED = "unclaimed-edit";

export class Effects {
  readonly #sessions: Sessions;
  readonly #policies: Policies;
  readonly #looks = new Looks();
  /** The content each file had when it was last reported, so that one change is reported once. */
  readonly #reported = new Map<string, string>();

  constructor(sessions: Sessions, policies: Policies) {
    this.#sessions = sessions;
    this.#policies = policies;
  }

  /** A shell is about to run: its worktree is looked at, for a bounded while before it runs. */
  async began(session: Session, root: string, use: string, command: string): Promise<void> {
    const before = this.#looks.at(root);
    session.running.set(use, { root, command, sinceMs: Date.now(), before });
    if (session.running.size > limits.hookToolsMax) {
      const [oldest] = session.running.keys();
      if (oldest !== undefined) session.running.delete(oldest);
    }
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, limits.hookLookWaitMs);
    });
    await Promise.race([before, late]);
    clearTimeout(timer);
  }

  /** Shells have ended (all, unless named): what they changed, in words for their agent. */
  async ended(session: Session, client: Client, uses?: readonly string[]): Promise<string | undefined> {
    const told: string[] = [];
    for (const use of uses ?? [...session.running.keys()]) {
      const running = session.running.get(use);
      session.running.delete(use);
      if (running === undefined) continue;
      const words = await this.#report(session, client, running);
      session.touch(Date.now(), running.root);
      if (words !== undefined) told.push(words);
    }
    return told.length === 0 ? undefined : told.join("\n");
  }

  async #report(session: Session, client: Client, running: Running): Promise<string | undefined> {
    const { root, sinceMs } = running;
    const [before, after] = await Promise.all([running.before, this.#looks.at(root)]);
    if (before === undefined || after === undefined) return undefined;
    const policy = this.#policies.of(root);
    const changed = changedBetween(before, after).filter((file) => {
      const isKnown = this.#reported.get(`${root}\0${file}`) === (after.files.get(file) ?? "clean");
      return !isKnown && formats.path(file) === undefined && policy.measure(file, false) !== "off";
    });
    const looked = changed.slice(0, limits.hookEffectsMax);
    const covered = await Promise.all(
      looked.map((path) => coverOf(client, session, { root, path, isFolder: false })),
    );
    const held: Covered[] = [];
    const free: Covered[] = [];
    for (const one of covered) {
      const writers = this.#sessions.writersOf(root, one.spot.path, sinceMs);
      // Its holder was at work on it, and may do as it likes; a session answers for its subagents.
      const mayBeTheirs = one.theirs.some(({ holder }) => writers.has(holder));
      const isFamily = one.theirs.some(({ holder }) => holder.startsWith(`${session.agent}/`));
      if (one.theirs.length > 0) {
        if (!mayBeTheirs && !isFamily) held.push(one);
      } else if (one.mine.length === 0) free.push(one);
    }
    for (const { spot } of [...held, ...free]) {
      this.#remember(`${root}\0${spot.path}`, after.files.get(spot.path) ?? "clean");
    }
    if (held.length + free.length === 0) return undefined;
    const isAlone = ({ spot }: Covered) => {
      const writers = [...this.#sessions.writersOf(root, spot.path, sinceMs)];
      return writers.every((agent) => agent === session.agent);
    };
    // Where others ran shells at the same time, nobody can tell whose it was: it is recorded, no more.
    const own = free.filter(isAlone);
    const claimed = own.map(({ spot }) => spot);
    if (claimed.length > 0) await judge(client, session, this.#policies, claimed);
    await this.#record(client, running, [...held, ...free]);
    await this.#tellHolders(client, running, held);
    return held.length + own.length === 0 ? undefined : wordsFor(running, held, own);
  }

  async #record(client: Client, { command }: Running, all: readonly Covered[]): Promise<void> {
    const logged = all.slice(0, limits.hookReportFiles).map(({ spot, theirs: [claim] }) => {
      const holder = claim === undefined ? "held by nobody" : `held by ${claim.holder} as ${claim.claim}`;
      const text = `changed while a shell command ran, ${holder}: ${quoted(command, 200)}`;
      return call(client, "activity.log", { kind: UNCLAIMED, path: spot.path, text });
    });
    const rest = all.length - logged.length;
    const more = `${rest} more files changed while a shell command ran: ${quoted(command, 200)}`;
    if (rest > 0) logged.push(call(client, "activity.log", { kind: UNCLAIMED, text: more }));
    await Promise.all(logged);
  }

  async #tellHolders(client: Client, { command, root }: Running, held: readonly Covered[]): Promise<void> {
    const byHolder = new Map<string, string[]>();
    for (const { spot, theirs } of held) {
      const [claim] = theirs;
      if (claim === undefined) continue;
      byHolder.set(claim.holder, [...(byHolder.get(claim.holder) ?? []), spot.path]);
    }
    const told = [...byHolder].map(([to, paths]) => {
      const body =
        `Files you hold in ${root} changed while ${client.agent} ran a shell command (${quoted(command, 200)}): ` +
        `${listed(paths)}. Look at them before you go on; ${client.agent} was told, too.`;
      return call(client, "message.post", { to, kind: "notice", body });
    });
    await Promise.all(told);
  }

  #remember(key: string, mark: string): void {
    this.#reported.delete(key);
    this.#reported.set(key, mark);
    const [oldest] = this.#reported.keys();
    if (this.#reported.size > limits.hookLookFilesMax && oldest !== undefined) this.#reported.delete(oldest);
  }
}

function wordsFor({ command }: Running, held: readonly Covered[], free: readonly Covered[]): string {
  const lines: string[] = [];
  const shown = quoted(command, 120);
  if (held.length > 0) {
    const obstacles = held.flatMap(({ spot, theirs: [claim] }): Obstacle[] =>
      claim === undefined ? [] : [obstacleOf(spot.path, claim)],
    );
    lines.push(
      `While your command ran (${shown}), files changed that another holds: ${standing(obstacles, Date.now())} ` +
        "If it was your command, undo that change and agree with the holder first; the holder was told.",
    );
  }
  if (free.length > 0) {
    const paths = listed(free.map(({ spot }) => spot.path));
    lines.push(
      `Your command (${shown}) changed files nobody had claimed; they are claimed for you now: ${paths}.`,
    );
  }
  return lines.join("\n");
}

function listed(paths: readonly string[]): string {
  const shown = paths.slice(0, limits.hookReportFiles).map(named).join(", ");
  return paths.length > limits.hookReportFiles
    ? `${shown} and ${paths.length - limits.hookReportFiles} more`
    : shown;
}
