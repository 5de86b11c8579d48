/**
 * What a session may ask of the engine that hosts it.
 */
import type { State } from "../model/model.ts";
import type { Clock } from "../ports/clock.ts";
import type { Durability } from "../ports/event-log.ts";
import type { Admission } from "./admission.ts";
import type { Contact, Contacts } from "./contact.ts";
import type { History } from "./history.ts";
import type { Names } from "./names.ts";
import type { Proposal, Read } from "./sequencer.ts";
import type { Subscriptions } from "./subscriptions.ts";

export interface Host {
  /** Id of this engine, fresh at every start. */
  readonly hub: string;
  readonly durable: Durability;
  readonly clock: Clock;
  readonly admission: Admission;
  readonly contacts: Contacts;
  readonly sessions: Names;
  readonly subscriptions: Subscriptions;
  readonly history: History;
  readonly hash: (text: string) => string;
  state(): State;
  head(): number;
  /** Log time, in milliseconds. */
  nowMs(): number;
  propose(proposal: Proposal): void;
  ask(read: Read): void;
  /** An agent that was idle was heard of again. */
  rejoin(contact: Contact, operator: boolean): void;
  /** Somebody said goodbye: presence is looked at now, not at the next tick. */
  checkPresence(): void;
  /** An agent was shown everything up to `seq`. */
  delivered(agent: string, seq: number): void;
  /** A bug came to light; reported, never thrown at a peer. */
  fault(error: unknown): void;
}
