/**
 * The mixed workload of `workload.json` as an endless, seeded stream of commands that mostly succeed: it
 * keeps its own
 * small picture of what is live.
 */
import { readFileSync } from "node:fs";
import type { Command, Event } from "../core/index.ts";
import { limits } from "../core/limits.ts";
import { random } from "./measure.ts";

/** The committed definition. */
export const workload = JSON.parse(
  readFileSync(
    new URL(
      import.meta.url.endsWith(".ts") ? "./workload.json" : "../../benchmarks/workload.json",
      import.meta.url,
    ),
    "utf8",
  ),
) as {
  readonly agents: number;
  readonly liveClaims: number;
  readonly paths: {
    readonly folders: number;
    readonly filesAFolder: number;
    readonly filesAClaim: readonly [number, number];
    readonly patternShare: number;
  };
  readonly ttlMs: number;
  readonly bytes: Readonly<
    Record<"note" | "checkpoint" | "body" | "progress" | "activity" | "decision", number>
  >;
  readonly shares: Readonly<Record<string, number>>;
};

/** How many agents take part: more than the workload says where their quota of claims asks for it. */
export function agentsFor(liveClaims: number): number {
  return Math.max(workload.agents, Math.ceil((liveClaims * 1.3) / limits.claimsPerAgentMax));
}

interface Live {
  readonly claim: string;
  readonly agent: string;
  epoch: number;
}

/** A command and who sends it. */
export interface Step {
  readonly agent: string;
  readonly command: Command;
}

export class Mixed {
  private readonly live: Live[] = [];
  private readonly tasks: { task: string; agent: string }[] = [];
  private readonly messages: { message: string; to: string }[] = [];
  private readonly next: () => number;
  private readonly kinds: readonly string[];
  private readonly liveClaims: number;
  private readonly agents: number;
  private made = 0;

  /**
   * Only the given kinds of command, where the model does not have all of them; with more live claims, and
   * agents to
   * hold them, where a question asks for that.
   */
  constructor(
    seed: number,
    kinds: readonly string[] = Object.keys(workload.shares),
    liveClaims: number = workload.liveClaims,
  ) {
    this.next = random(seed);
    this.liveClaims = liveClaims;
    this.agents = agentsFor(liveClaims);
    this.kinds = kinds.flatMap((kind) => Array.from({ length: workload.shares[kind] ?? 0 }, () => kind));
  }

  /** The next command. Below the wanted number of live claims it mostly acquires. */
  step(): Step {
    const few = this.live.length < this.liveClaims * 0.95;
    const many = this.live.length > this.liveClaims * 1.05;
    const drawn = this.kinds[Math.floor(this.next() * this.kinds.length)] ?? "claim.acquire";
    const kind =
      drawn === "claim.release" && few
        ? "claim.acquire"
        : drawn === "claim.acquire" && many
          ? "claim.release"
          : drawn;
    return this.make(kind) ?? this.acquire();
  }

  /** Learns what an accepted step brought about. */
  learn(events: readonly Event[]): void {
    for (const event of events) {
      if (event.type === "claim.granted") {
        this.live.push({ claim: event.claim, agent: event.holder, epoch: event.epoch });
      } else if ((event.type as string) === "message.posted") {
        const { message, to } = event as unknown as { message: string; to: string | readonly string[] };
        this.messages.push({ message, to: typeof to === "string" ? to : (to[0] ?? "") });
      }
    }
  }

  private make(kind: string): Step | undefined {
    const { bytes } = workload;
    switch (kind) {
      case "claim.release": {
        const live = this.take(this.live);
        return (
          live && {
            agent: live.agent,
            command: { type: "claim.release", claim: live.claim, outcome: "done" },
          }
        );
      }
      case "claim.renew": {
        const live = this.pick(this.live);
        return (
          live && {
            agent: live.agent,
            command: { type: "claim.renew", claim: live.claim, epoch: live.epoch },
          }
        );
      }
      case "claim.report": {
        const live = this.pick(this.live);
        const status = this.next() < 0.5 ? "working" : "input-required";
        return (
          live && this.of(live.agent, { type: "claim.report", claim: live.claim, epoch: live.epoch, status })
        );
      }
      case "checkpoint.save": {
        const live = this.pick(this.live);
        const text = this.text(bytes.checkpoint);
        return (
          live && this.of(live.agent, { type: "checkpoint.save", claim: live.claim, epoch: live.epoch, text })
        );
      }
      case "task.declare": {
        const task = `task-${this.made++}`;
        const agent = this.agent();
        this.tasks.push({ task, agent });
        return this.of(agent, {
          type: kind,
          task,
          title: this.text(40),
          priority: Math.floor(this.next() * 5),
        });
      }
      case "task.start":
      case "task.complete": {
        const task = kind === "task.start" ? this.pick(this.tasks) : this.take(this.tasks);
        return task && this.of(task.agent, { type: kind, task: task.task });
      }
      case "progress.note":
        return this.of(this.agent(), { type: kind, kind: "note", text: this.text(bytes.progress) });
      case "message.post":
        return this.of(this.agent(), {
          type: kind,
          to: this.agent(),
          kind: "chat",
          body: this.text(bytes.body),
        });
      case "message.acknowledge": {
        const sent = this.take(this.messages);
        return sent && this.of(sent.to, { type: kind, messages: [sent.message] });
      }
      case "activity.log":
        return this.of(this.agent(), {
          type: kind,
          kind: "edit",
          text: this.text(bytes.activity),
          path: this.file(),
        });
      case "decision.record":
        return this.of(this.agent(), { type: kind, text: this.text(bytes.decision) });
      default:
        return undefined;
    }
  }

  private acquire(): Step {
    const { paths, ttlMs } = workload;
    const claim = `claim-${this.made++}`;
    const [min, max] = paths.filesAClaim;
    const count = min + Math.floor(this.next() * (max - min + 1));
    const scope =
      this.next() < paths.patternShare
        ? { paths: [`src/m${this.made % 5000}/**`] }
        : { files: Array.from({ length: count }, () => this.file()) };
    return {
      agent: this.agent(),
      command: { type: "claim.acquire", claim, scope, ttlMs, note: this.text(workload.bytes.note) },
    };
  }

  private of(agent: string, command: { readonly type: string; readonly [field: string]: unknown }): Step {
    return { agent, command: command as unknown as Command };
  }

  private agent(): string {
    return `agent-${Math.floor(this.next() * this.agents)}`;
  }

  private file(): string {
    const { folders, filesAFolder } = workload.paths;
    return `lib/d${Math.floor(this.next() * folders)}/f${Math.floor(this.next() * filesAFolder)}-${this.made % 97}.ts`;
  }

  private text(length: number): string {
    return "lorem ipsum dolor sit amet consectetur ".repeat(Math.ceil(length / 39)).slice(0, length);
  }

  private pick<T>(all: readonly T[]): T | undefined {
    return all[Math.floor(this.next() * all.length)];
  }

  private take<T>(all: T[]): T | undefined {
    const at = Math.floor(this.next() * all.length);
    const taken = all[at];
    const last = all.pop();
    if (last !== undefined && at < all.length) all[at] = last;
    return taken;
  }
}
