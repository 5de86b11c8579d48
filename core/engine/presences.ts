/**
 * Presences: turns missing contact into entries, for this engine's agents and for those of engines that
 * died (AG8).
 */
import { Failure } from "../failures.ts";
import { limits } from "../limits.ts";
import type { Command, State } from "../model/model.ts";
import type { Clock } from "../ports/clock.ts";
import type { EventLog } from "../ports/event-log.ts";
import type { Contacts } from "./contact.ts";
import type { Outcome } from "./sequencer.ts";

/** What it needs of the engine. */
export interface PresenceHost {
  readonly hub: string;
  readonly clock: Clock;
  readonly contacts: Contacts;
  state(): State;
  nowMs(): number;
  own(command: Command): Promise<Outcome>;
  fault(error: unknown): void;
}

export class Presences {
  private readonly host: PresenceHost;
  private readonly log: EventLog;
  private readonly lapsing = new Set<string>();
  private markedMs = Number.NEGATIVE_INFINITY;
  private marking = false;

  constructor(host: PresenceHost, log: EventLog) {
    this.host = host;
    this.log = log;
  }

  /** Looks at who is due to be idle; cheap, called several times a second. */
  check(): void {
    const { host } = this;
    const { settings } = host.state().log;
    for (const contact of host.contacts.idle(host.nowMs(), settings)) {
      const here = host.state().presence.byName.get(contact.agent);
      if (here?.presence === "present") this.lapse(contact.agent, contact.seenAtMs);
      host.contacts.lapse(contact);
    }
    if (host.clock.monotonicMs() - this.markedMs < limits.livenessMarkMs || this.marking) return;
    this.mark().catch((error) => this.trouble(error));
  }

  /** Takes this engine's mark away, so that others need not wait until it is stale. */
  async end(): Promise<void> {
    try {
      await this.log.mark(this.host.hub, false);
    } catch (error) {
      this.trouble(error);
    }
  }

  /** Refreshes the mark, then looks for agents of engines whose mark is stale or gone. */
  private async mark(): Promise<void> {
    this.marking = true;
    try {
      this.markedMs = this.host.clock.monotonicMs();
      await this.log.mark(this.host.hub, true);
      const alive = new Set<string>();
      for (const { hub, ageMs } of await this.log.marks()) if (ageMs < limits.livenessStaleMs) alive.add(hub);
      alive.add(this.host.hub);
      this.adopt(alive);
    } catch (error) {
      this.trouble(error);
    } finally {
      this.marking = false;
    }
  }

  private adopt(alive: ReadonlySet<string>): void {
    const { host } = this;
    const state = host.state();
    const nowMs = host.nowMs();
    for (const [agent, here] of state.presence.byName) {
      if (here.presence !== "present" || alive.has(here.hub) || host.contacts.has(agent)) continue;
      if (nowMs - here.seenAtMs >= state.log.settings.idleAfterMs) this.lapse(agent, here.seenAtMs);
    }
  }

  private lapse(agent: string, seenAtMs: number): void {
    if (this.lapsing.has(agent)) return;
    this.lapsing.add(agent);
    this.host
      .own({ type: "presence.lapse", agent, seenAtMs })
      .catch((error) => this.trouble(error))
      .finally(() => this.lapsing.delete(agent));
  }

  /** A log that cannot be written says so to whoever writes; here it is only tried again. */
  private trouble(error: unknown): void {
    if (!(error instanceof Failure)) this.host.fault(error);
  }
}
