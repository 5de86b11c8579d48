/**
 * Contact: when this engine last heard of each agent, and which of them are due to be idle (AG7, AG8).
 *
 * Heartbeats and reads end here and are never logged; only the transition is.
 */
import type { Settings } from "../model/log.ts";

/** What an engine knows of an agent it is, or was, in contact with. */
export interface Contact {
  readonly agent: string;
  /** Last sign of life, in log time. */
  seenAtMs: number;
  /** Open connections that are more than one request. */
  sessions: number;
  /** Of those, how many follow or wait: an open follow is contact by itself. */
  attached: number;
  /** The last connection broke without a goodbye. */
  broken: boolean;
  /** The last connection ended with a goodbye or a last will. */
  goodbye: boolean;
  /** It was written down as idle: its next frame makes it join again. */
  lapsed: boolean;
}

export class Contacts {
  private readonly byAgent = new Map<string, Contact>();

  /** The agent's contact, made anew where there is none. */
  of(agent: string, nowMs: number): Contact {
    let contact = this.byAgent.get(agent);
    if (contact === undefined) {
      contact = {
        agent,
        seenAtMs: nowMs,
        sessions: 0,
        attached: 0,
        broken: false,
        goodbye: false,
        lapsed: false,
      };
      this.byAgent.set(agent, contact);
    }
    return contact;
  }

  has(agent: string): boolean {
    return this.byAgent.has(agent);
  }

  /** The agent was written down as idle. */
  lapse(contact: Contact): void {
    contact.lapsed = true;
    if (contact.sessions === 0) this.byAgent.delete(contact.agent);
  }

  /** Those that are due to be idle. */
  *idle(nowMs: number, settings: Settings): IterableIterator<Contact> {
    for (const contact of this.byAgent.values()) {
      if (contact.lapsed || contact.attached > 0) continue;
      const silence = nowMs - contact.seenAtMs;
      const patience =
        contact.sessions > 0
          ? settings.idleAfterMs
          : contact.goodbye
            ? 0
            : contact.broken
              ? Math.min(settings.brokenAfterMs, settings.idleAfterMs)
              : settings.idleAfterMs;
      if (silence >= patience) yield contact;
    }
  }

  get size(): number {
    return this.byAgent.size;
  }
}
