/**
 * The stage a transcript is played on: a hub whose clock is moved by hand, and agents that speak bare frames to it
 * over any transport.
 */
import { openMemoryLog } from "../../adapters/log/memory.ts";
import { type Engine, openEngine } from "../../core/engine/engine.ts";
import type { Entry } from "../../core/model/slice.ts";
import type { EventLog } from "../../core/ports/event-log.ts";
import type { Connection, Listener } from "../../core/ports/transport.ts";
import { receive } from "../../core/protocol/receive.ts";
import type { Transport } from "../../transports/index.ts";
import { countedChance, entriesOf, ManualClock, settle, sha256 } from "../core/world.ts";
import { Scribe, type Step } from "./transcript.ts";

/** Where a transport can be listened at, and how agents call there. */
export interface Place {
  readonly transport: Required<Transport>;
  readonly url: string;
  /** The url an agent calls, where that is not simply the listener's. */
  readonly callAt?: (url: string, agent: string) => string;
}

/** How long an answer may be on its way. */
const PATIENCE_MS = 10_000;
/** How long nothing must have come before there is nothing more to come, where that is not known. */
const QUIET_MS = 150;

interface Asked {
  readonly agent: string;
  readonly method: string;
  readonly submission: string | undefined;
  answer?: readonly string[];
}

interface Agent {
  readonly connection: Connection;
  readonly asked: Map<unknown, Asked>;
}

let stages = 0;

/** Plays steps; the result is the transcript as it was really said. `patient`: how much is expected is not known. */
export async function play(steps: readonly Step[], place: Place, patient: boolean): Promise<string> {
  const stage = new Stage(place);
  try {
    await stage.raise();
    const lines: string[] = [];
    for (const [at, step] of steps.entries()) {
      const isLast = at === steps.length - 1;
      const said = await stage.act(step.act, step.expected, patient || isLast);
      lines.push(...step.words, step.text, ...said.map((line) => `  ${line}`));
    }
    return `${lines.join("\n")}\n`;
  } finally {
    await stage.strike();
  }
}

class Stage {
  private readonly place: Place;
  private readonly clock = new ManualClock();
  private readonly name = `stage-${++stages}`;
  private readonly agents = new Map<string, Agent>();
  private readonly open: Asked[] = [];
  private readonly counts = new Map<string, number>();
  private readonly scribe = new Scribe(() => this.startMs);
  private reader: EventLog | undefined;
  private engine!: Engine;
  private listener!: Listener;
  private startMs = 0;
  private shown = 1;
  private hubs = 0;
  private ids = 0;

  constructor(place: Place) {
    this.place = place;
  }

  async raise(): Promise<void> {
    this.hubs += 1;
    const log = await openMemoryLog(this.name, { clock: this.clock });
    const chance = countedChance(`hub${this.hubs}-`);
    this.engine = await openEngine({ log, clock: this.clock, chance, hash: sha256 });
    const { transport, url } = this.place;
    this.listener = await transport.listen(url, {}, (connection) => this.engine.accept(connection));
    this.startMs ||= (await this.entries())[0]?.atMs ?? 0;
  }

  /** The hub first: so nobody says goodbye to it. */
  async strike(): Promise<void> {
    await this.listener.close();
    await this.engine.close();
    for (const { connection } of this.agents.values()) connection.close("failed");
    this.agents.clear();
  }

  /** Does one thing and gives the lines of what came of it. */
  async act(act: Step["act"], expected: number, patient: boolean): Promise<readonly string[]> {
    const lines: string[] = [];
    if (act.kind === "pass") await this.pass(act.ms);
    else if (act.kind === "hub") {
      await this.strike();
      await this.raise();
    } else if (act.method === "drop" || act.method === "leave") {
      this.agents.get(act.agent)?.connection.close(act.method === "drop" ? "failed" : "goodbye");
      this.agents.delete(act.agent);
    } else {
      const asked = await this.say(act.agent, act.method, act.params);
      lines.push(...(await this.outcome(asked)));
    }
    await this.rest();
    lines.push(...(await this.news()));
    // Some entries come by themselves, after what was asked for: a delivery, an end of presence.
    let sinceMs = performance.now();
    const isOver = (): boolean => {
      const quietMs = performance.now() - sinceMs;
      return patient ? quietMs > QUIET_MS : lines.length >= expected || quietMs > PATIENCE_MS / 3;
    };
    while (!isOver()) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      const more = await this.news();
      if (more.length > 0) sinceMs = performance.now();
      lines.push(...more);
    }
    return lines;
  }

  /** In small steps, so that what is due happens when it is due. */
  private async pass(ms: number): Promise<void> {
    const stepMs = Math.max(250, Math.floor(ms / 400));
    for (let left = ms; left > 0; left -= stepMs) {
      await this.clock.advance(Math.min(left, stepMs), stepMs);
      await this.rest();
    }
  }

  private async rest(): Promise<void> {
    await settle();
    await this.engine.settled();
    await settle();
  }

  private async say(agent: string, method: string, params: object): Promise<Asked> {
    if (method !== "session.open" && !this.agents.has(agent)) {
      await this.outcome(await this.say(agent, "session.open", {}));
    }
    const speaker = this.agents.get(agent) ?? (await this.call(agent));
    const id = ++this.ids;
    const isCommand =
      method !== "session.open" &&
      !/^log\.follow$|\.list$|^state\.|\.(read|history|ready|covering)$/.test(method);
    const count = (this.counts.get(agent) ?? 0) + 1;
    if (isCommand) this.counts.set(agent, count);
    const named = { ...(isCommand ? { submission: `${agent}-${count}` } : {}), ...params };
    const sent = method === "session.open" ? { agent, ...params } : named;
    const asked: Asked = {
      agent,
      method,
      submission: "submission" in sent ? String(sent.submission) : undefined,
    };
    speaker.asked.set(id, asked);
    speaker.connection.send(JSON.stringify({ jsonrpc: "2.0", id, method, params: sent }));
    return asked;
  }

  private async call(agent: string): Promise<Agent> {
    const url = this.listener.urls[0] ?? "";
    const connection = await this.place.transport.connect(this.place.callAt?.(url, agent) ?? url, { agent });
    const asked = new Map<unknown, Asked>();
    connection.receive({
      frame: (frame) => {
        for (const message of receive(frame)) {
          if (message.kind !== "reply" && message.kind !== "error") continue;
          const found = asked.get(message.id);
          if (found !== undefined)
            found.answer = this.scribe.answer(message as Parameters<Scribe["answer"]>[0]);
        }
      },
      drained: () => {},
      closed: () => {},
    });
    const speaker = { connection, asked };
    this.agents.set(agent, speaker);
    return speaker;
  }

  /** The answer; or that there is none yet, as the log says that the command waits. */
  private async outcome(asked: Asked): Promise<readonly string[]> {
    const startedMs = performance.now();
    while (asked.answer === undefined) {
      if (await this.waits(asked)) {
        this.open.push(asked);
        return ["waits"];
      }
      if (performance.now() - startedMs > PATIENCE_MS) return ["no answer"];
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return asked.answer;
  }

  private async waits({ agent, submission }: Asked): Promise<boolean> {
    if (submission === undefined) return false;
    return (
      this.engine
        .state()
        .waits.byAgent.get(agent)
        ?.some((seq) => this.engine.state().waits.bySeq.get(seq)?.submission === submission) ?? false
    );
  }

  /** New entries, then the answers to what had waited. */
  private async news(): Promise<readonly string[]> {
    const fresh = (await this.entries()).filter(({ seq }) => seq > this.shown);
    this.shown = fresh.at(-1)?.seq ?? this.shown;
    const lines = fresh.flatMap((entry) => this.scribe.entry(entry));
    for (const asked of [...this.open].sort((a, b) => (a.agent < b.agent ? -1 : 1))) {
      if (await this.waits(asked)) continue;
      this.open.splice(this.open.indexOf(asked), 1);
      if (!this.isConnected(asked)) continue;
      const [first = "", ...rest] = await this.outcome(asked);
      lines.push(`${asked.agent}'s ${asked.submission}: ${first}`, ...rest);
    }
    return lines;
  }

  private isConnected(asked: Asked): boolean {
    return [...(this.agents.get(asked.agent)?.asked.values() ?? [])].includes(asked);
  }

  private async entries(): Promise<Entry[]> {
    this.reader ??= await openMemoryLog(this.name, { clock: this.clock });
    return entriesOf(this.reader);
  }
}
