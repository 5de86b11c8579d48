/**
 * The guard: what is done at each moment of an agent's life, and what its host is told. Never in the way:
 * where the hub cannot decide, edits go on, unless the repository wants them to wait.
 */
import type { Client } from "../../core/client/client.ts";
import { limits } from "../../core/limits.ts";
import type { Refusing } from "../place/refusals.ts";
import { judge } from "./edits.ts";
import { Effects } from "./effects.ts";
import type { HookEvent, ToolUse, Verdict } from "./event.ts";
import { quoted } from "./frame.ts";
import { canSay } from "./hosts.ts";
import { mailFor } from "./mail.ts";
import { logFolder } from "./names.ts";
import { Policies } from "./policy.ts";
import { recordEdits } from "./record.ts";
import { Repeats } from "./repeats.ts";
import { replay } from "./replay.ts";
import { caution, refusal } from "./sentences.ts";
import { type Connect, type Sender, type Session, Sessions } from "./sessions.ts";
import { writesOf } from "./shell.ts";
import { hasSpooled, type Spooled, takeSpooled } from "./spool.ts";
import { type Spot, spotsOf, spotsWritten, type Written, worktreeOf } from "./spots.ts";
import { statusFor } from "./status.ts";

/** What the guard hears of that nobody can be told. */
export type Report = (what: string, error: unknown) => void;

export class Guard {
  readonly #sessions: Sessions;
  readonly #policies = new Policies();
  readonly #repeats = new Repeats();
  readonly #effects: Effects;
  readonly #report: Report;
  readonly #refused: (refusal: Refusing) => void;
  readonly #catchingUp = new Map<string, Promise<void>>();

  constructor(connect: Connect, report: Report, refused: (refusal: Refusing) => void = () => undefined) {
    this.#sessions = new Sessions(connect);
    this.#effects = new Effects(this.#sessions, this.#policies);
    this.#report = report;
    this.#refused = refused;
  }

  /** What the host is told. Does not throw. */
  async judge(event: HookEvent, sender: Sender): Promise<Verdict> {
    const folder = logFolder(event.cwd);
    if (folder !== undefined && sender.isLocal) await briefly(this.catchUp(folder, sender));
    return this.#repeats.once(event, Date.now(), async () => {
      const session = this.#sessions.of(event, sender);
      try {
        return await this.#at(event, session, await session.client());
      } catch (error) {
        return this.#undecided(event, session, error);
      }
    });
  }

  /** Lets take effect, in order, what was spooled beside a log while no hub ran. Does not throw. */
  catchUp(folder: string, sender: Sender): Promise<void> {
    const underway = this.#catchingUp.get(folder);
    if (underway !== undefined || !hasSpooled(folder)) return underway ?? Promise.resolve();
    const replayed = this.#replay(takeSpooled(folder), sender).finally(() => this.#catchingUp.delete(folder));
    this.#catchingUp.set(folder, replayed);
    return replayed;
  }

  async #replay(spooled: readonly Spooled[], { token, isLocal }: Sender): Promise<void> {
    for (const one of spooled) {
      const { agent } = one;
      const sender = {
        isLocal,
        ...(token === undefined ? {} : { token }),
        ...(agent === undefined ? {} : { agent }),
      };
      try {
        const session = this.#sessions.of(one.event, sender);
        await replay(session, await session.client(), this.#policies, one);
      } catch (error) {
        this.#report("a hook spooled while no hub ran", error);
      }
    }
  }

  close(): Promise<void> {
    return this.#sessions.close();
  }

  async #at(event: HookEvent, session: Session, client: Client): Promise<Verdict> {
    switch (event.moment) {
      case "start":
        return this.#started(event, session, client);
      case "before":
        return this.#before(event, session, client);
      case "after":
      case "failed":
      case "batch":
        return this.#after(event, session, client);
      case "prompt":
        return this.#mail(event, session, client, await this.#effects.ended(session, client));
      case "stop":
        return this.#stopped(event, session, client);
      case "end":
        return this.#ended(event, session, client);
    }
  }

  async #started(event: HookEvent, session: Session, client: Client): Promise<Verdict> {
    const root = worktreeOf(event.cwd);
    const problem = root === undefined ? undefined : this.#policies.of(root).problem;
    const status = await statusFor(client, root);
    return {
      ...(status === undefined ? {} : { context: status }),
      ...(problem === undefined ? {} : warningOnce(session, problem)),
    };
  }

  async #before(event: HookEvent, session: Session, client: Client): Promise<Verdict> {
    const nowMs = Date.now();
    const [tool] = event.tools;
    if (tool === undefined || tool.kind === "other") return {};
    const { spots, isCertain } = writtenBy(tool, event.cwd);
    const { denied, warned, nearby } = await judge(client, session, this.#policies, spots);
    if (denied.length > 0) {
      const message = refusal(denied, nowMs);
      const command = [tool.name, ...denied.map(({ path }) => path)];
      this.#refused({
        agent: client.agent,
        command,
        code: "hook.denied",
        message,
        fields: { conflicts: denied },
      });
      return { deny: message };
    }
    for (const { root, path } of spots) session.touch(nowMs, root, path);
    if (!isCertain) {
      const root = worktreeOf(event.cwd);
      const use = tool.id ?? "shell";
      if (root !== undefined) await this.#effects.began(session, root, use, tool.command ?? "");
    }
    const news = nearby.filter((words) => session.warnsOnce(`nearby ${words}`));
    const words = [
      ...(warned.length === 0 ? [] : [caution(warned, nowMs)]),
      ...(news.length === 0 ? [] : [`Will meet this at merge: ${news.join("; ")}.`]),
    ];
    const problems = [...new Set(spots.map(({ root }) => this.#policies.of(root).problem))];
    const problem = problems.find((words) => words !== undefined);
    return {
      ...(words.length === 0 ? {} : { context: words.join("\n") }),
      ...(problem === undefined ? {} : warningOnce(session, problem)),
    };
  }

  async #after(event: HookEvent, session: Session, client: Client): Promise<Verdict> {
    const nowMs = Date.now();
    const isOver = event.moment === "batch";
    const ids = event.tools.map(({ id }) => id ?? "shell");
    const words = await this.#effects.ended(session, client, isOver ? undefined : ids);
    for (const tool of event.moment === "failed" ? [] : event.tools) {
      if (tool.kind !== "edit") continue;
      const spots = spotsOf(tool.paths, event.cwd);
      for (const { root, path } of spots) session.touch(nowMs, root, path);
      await recordEdits(session, client, tool.name, spots, nowMs);
    }
    return this.#mail(event, session, client, words);
  }

  /** Adds what was not said yet and the messages there are, where the host passes words on. */
  async #mail(event: HookEvent, session: Session, client: Client, words?: string): Promise<Verdict> {
    if (words !== undefined) session.unsaid.push(words);
    if (!canSay(event, "context")) return {};
    const mail = await session.inTurn(() => mailFor(client, session.shown));
    const said = [...session.unsaid.splice(0), ...(mail === undefined ? [] : [mail])];
    return said.length === 0 ? {} : { context: said.join("\n") };
  }

  async #stopped(event: HookEvent, session: Session, client: Client): Promise<Verdict> {
    const words = await this.#effects.ended(session, client);
    if (words !== undefined) session.unsaid.push(words);
    if (event.isHeld || session.isPrint || !canSay(event, "hold")) return {};
    const mail = await session.inTurn(() => mailFor(client, session.shown, "directed"));
    if (mail === undefined) return {};
    return { hold: [...session.unsaid.splice(0), mail].join("\n") };
  }

  /** A subagent is held once more, as a turn is at its stop; a session's end can be held by nobody. */
  async #ended(event: HookEvent, session: Session, client: Client): Promise<Verdict> {
    const held = await this.#stopped(event, session, client);
    if (held.hold !== undefined) return held;
    // What a subagent holds by its edits is its session's from now on, who goes on with them.
    if (session.parent !== undefined) await session.automatic.handOver(client, session.parent);
    await session.end();
    this.#sessions.forget(session);
    return {};
  }

  /** The hub refuses the agent or cannot answer in time. */
  #undecided(event: HookEvent, session: Session, error: unknown): Verdict {
    this.#report(`hook ${event.host} ${event.event}`, error);
    const why = quoted(error instanceof Error ? error.message : String(error), 200);
    const spots = event.moment === "before" ? spotsBefore(event) : [];
    const isClosed = spots.some(({ root, path, isFolder }) => {
      const policy = this.#policies.of(root);
      return policy.whenHubIsDown === "closed" && policy.measure(path, isFolder) === "deny";
    });
    if (isClosed) {
      const cannot = `Holdfast cannot tell who holds this file now (${why})`;
      const wants = "this repository wants to know before it is edited";
      return { deny: `${cannot}, and ${wants}. Try again in a moment. Nothing was changed.` };
    }
    // However often it fails, and with whatever words.
    if (!session.warnsOnce("unguarded")) return {};
    return { warning: `Holdfast does not guard this session: ${why}` };
  }
}

/** Waits for something, but not so long that a host would give up. */
async function briefly(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limits.hookCatchUpMs);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}

/** What a tool is about to write. */
export function writtenBy(tool: ToolUse, cwd: string): Written {
  if (tool.kind === "edit") return { spots: spotsOf(tool.paths, cwd), isCertain: true };
  if (tool.kind === "other") return { spots: [], isCertain: true };
  return spotsWritten(writesOf(tool.command ?? "", cwd));
}

/** What is written by what a hook asks leave for. */
export function spotsBefore({ tools, cwd }: HookEvent): readonly Spot[] {
  return tools.flatMap((tool) => writtenBy(tool, cwd).spots);
}

function warningOnce(session: Session, warning: string): Verdict {
  return session.warnsOnce(warning) ? { warning } : {};
}
