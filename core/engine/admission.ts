/**
 * Admission: who may open a session as whom, and how fast one agent may send.
 */
import { limits } from "../limits.ts";
import type { Rejection } from "../model/slice.ts";
import type { Peer } from "../ports/transport.ts";
import { refuse } from "./refusals.ts";

/** Whether a token proves a name; `undefined` when it does not. Compares digests in constant time. */
export type Verify = (agent: string, token: string) => { readonly operator: boolean } | undefined;

export interface AdmissionOptions {
  /** Absent: names are taken at their word, from this machine only. */
  readonly verify?: Verify;
  /** Commands a second one agent may send on average, and at once; absent: any number. */
  readonly rate?: { readonly perSecond: number; readonly burst: number };
}

export interface Credentials {
  readonly agent: string;
  readonly token?: string;
  readonly operator: boolean;
}

export class Admission {
  private readonly options: AdmissionOptions;
  private readonly buckets = new Map<string, { tokens: number; sinceMs: number }>();

  constructor(options: AdmissionOptions) {
    this.options = options;
  }

  /** Whether names are proven. */
  get guarded(): boolean {
    return this.options.verify !== undefined;
  }

  /** Lets an agent in, or says why not. `operator` is granted only where it was asked for and is due. */
  admit(asked: Credentials, peer: Peer): { readonly operator: boolean } | { readonly rejection: Rejection } {
    const { agent, token = peer.token, operator } = asked;
    const { verify } = this.options;
    if (peer.within === true && !operator) return { operator };
    if (peer.agent !== undefined && peer.agent !== agent)
      return refuse("session.not-you", { agent: peer.agent });
    if (verify === undefined) {
      if (peer.loopback) return { operator };
      return refuse("session.refused", { agent, why: "without tokens this hub serves its own machine only" });
    }
    if (token === undefined) return refuse("session.refused", { agent, why: "this hub asks for a token" });
    const proven = verify(agent, token);
    if (proven === undefined)
      return refuse("session.refused", { agent, why: "the token does not prove this name" });
    if (operator && !proven.operator) {
      return refuse("session.refused", { agent, why: "the token is not an operator's" });
    }
    return { operator };
  }

  /** Takes one command from the agent's bucket; the refusal when it is empty. */
  meter(agent: string, monotonicMs: number): { readonly rejection: Rejection } | undefined {
    const { rate } = this.options;
    if (rate === undefined) return undefined;
    const bucket = this.buckets.get(agent) ?? { tokens: rate.burst, sinceMs: monotonicMs };
    const earned = ((monotonicMs - bucket.sinceMs) * rate.perSecond) / 1000;
    bucket.tokens = Math.min(rate.burst, bucket.tokens + earned);
    bucket.sinceMs = monotonicMs;
    this.buckets.set(agent, bucket);
    if (this.buckets.size > limits.sessionsMax) this.forgetFull(rate.burst);
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1;
      return undefined;
    }
    return refuse("rate.limited", { retryAfterMs: Math.ceil(((1 - bucket.tokens) * 1000) / rate.perSecond) });
  }

  private forgetFull(burst: number): void {
    for (const [agent, { tokens }] of this.buckets) if (tokens >= burst - 1) this.buckets.delete(agent);
  }
}
