/**
 * A session: one connection's conversation with the engine. It checks frames and identity, turns requests
 * into commands and questions, and outcomes into replies. It knows methods by their tables only, never a
 * noun.
 *
 * Nothing a peer sends closes the connection or reaches the log unchecked: it is answered by an error and
 * forgotten.
 */
import { Failure } from "../failures.ts";
import { limits, publishedLimits } from "../limits.ts";
import { type Command, tables } from "../model/model.ts";
import type { Asker, Rejection } from "../model/slice.ts";
import type { Closed, Connection, Frame } from "../ports/transport.ts";
import { encode } from "../protocol/codec.ts";
import { fingerprint } from "../protocol/fingerprint.ts";
import { fitsUtf8 } from "../protocol/formats.ts";
import { codes, errorReply, type Incoming, type RequestId, reply } from "../protocol/frame.ts";
import {
  type SessionMethod,
  type SessionParams,
  sessionMethods,
  submissionFields,
} from "../protocol/methods.ts";
import { receive } from "../protocol/receive.ts";
import { type Check, compile } from "../protocol/schema.ts";
import type { Contact } from "./contact.ts";
import { History } from "./history.ts";
import type { Host } from "./host.ts";
import { refuse } from "./refusals.ts";
import type { Outcome } from "./sequencer.ts";
import type { Follower } from "./subscriptions.ts";

/** Schemas compiled on first use, so that a short run pays only for what it needs. */
const checks = new Map<string, Check>();
const checkSubmission = compile({ kind: "object", fields: submissionFields });

type Request = Extract<Incoming, { kind: "request" }>;
type Fields = { [field: string]: unknown };

export class Session {
  /** Who it speaks for; empty until it is open. */
  agent = "";
  exclusive = false;
  readonly connection: Connection;
  private readonly host: Host;
  private readonly id: string;
  private operator = false;
  private opening = false;
  private oneShot: boolean;
  private contact: Contact | undefined;
  private follower: Follower | undefined;
  private attached = 0;
  private inFlight = 0;
  private made = 0;
  private ended = false;
  private readonly early: Request[] = [];

  constructor(host: Host, connection: Connection, id: string) {
    this.host = host;
    this.connection = connection;
    this.oneShot = connection.peer.oneShot === true;
    this.id = id;
    connection.receive({
      frame: (frame) => this.frame(frame),
      drained: () => this.follower?.pump(),
      closed: (how) => this.closed(how),
    });
  }

  /** Ends it from this side. */
  close(reason: "taken-over" | "shutting-down"): void {
    this.connection.close(reason);
    this.closed({ goodbye: false, reason });
  }

  private frame(frame: Frame): void {
    if (this.contact !== undefined) {
      this.contact.seenAtMs = this.host.nowMs();
      if (this.contact.lapsed) this.host.rejoin(this.contact, this.operator);
    }
    for (const incoming of receive(frame)) {
      if (incoming.kind === "request") this.request(incoming);
      else if (incoming.kind === "problem") {
        const { id, code, at, why } = incoming;
        this.send(errorReply(id, code, at === "" ? why : `${at} ${why}`, { at, why }));
      }
      // Notifications and answers have no business here and get no reply.
    }
  }

  private request(request: Request): void {
    const { id, method } = request;
    if (method === "session.open") return this.open(request);
    if (this.opening) {
      if (this.early.length >= limits.inFlightPerSession) {
        return this.rejected(id, refuse("session.too-many", { max: limits.inFlightPerSession }).rejection);
      }
      this.early.push(request);
      return;
    }
    if (this.agent === "") return this.rejected(id, refuse("session.not-open", {}).rejection);
    if (this.inFlight >= limits.inFlightPerSession) {
      return this.rejected(id, refuse("session.too-many", { max: limits.inFlightPerSession }).rejection);
    }
    if (Object.hasOwn(tables.commands, method)) {
      if (this.contact === undefined) return this.rejected(id, refuse("session.observing", {}).rejection);
      return this.command(request);
    }
    if (Object.hasOwn(tables.queries, method)) return this.query(request);
    const past = tables.pasts[method];
    if (past !== undefined && Object.hasOwn(tables.pasts, method)) {
      return this.unfit(id, method, past.params, request.params) ? undefined : this.past(request);
    }
    if (!Object.hasOwn(sessionMethods, method)) {
      return this.send(errorReply(id, codes.methodNotFound, `there is no method ${method.slice(0, 100)}`));
    }
    if (this.unfit(id, method, sessionMethods[method as SessionMethod], request.params)) return;
    if (method === "log.follow") this.follow(id, request.params as SessionParams<"log.follow">);
    else if (method === "log.unfollow") this.unfollow(id);
    else if (method === "session.close") this.goodbye(id);
    else if (method === "session.ping")
      this.send(reply(id, { seq: this.host.head(), nowMs: this.host.nowMs() }));
    else this.past(request);
  }

  /** Answers params that do not fit; whether it did. */
  private unfit(
    id: RequestId,
    method: string,
    shape: Parameters<typeof compile>[0],
    params: object,
  ): boolean {
    const check = checks.get(method) ?? compile(shape);
    checks.set(method, check);
    const problem = check(params);
    if (problem === undefined) return false;
    const { at, why } = problem;
    this.send(errorReply(id, codes.invalidParams, at === "" ? why : `${at} ${why}`, { at, why }));
    return true;
  }

  private command({ id, method, params }: Request): void {
    // Field by field: spreading and gathering objects would cost as much as deciding them.
    const sender: Fields = {};
    const own: Fields = {};
    for (const field in params) {
      const value = (params as Fields)[field];
      if (field === "submission" || field === "sentAfter" || field === "agent") sender[field] = value;
      else own[field] = value;
    }
    const { submission, sentAfter, agent } = sender;
    if (submission !== undefined || sentAfter !== undefined || agent !== undefined) {
      const problem = checkSubmission(sender);
      if (problem !== undefined) {
        const { at, why } = problem;
        return this.send(errorReply(id, codes.invalidParams, `${at} ${why}`, { at, why }));
      }
      if (agent !== undefined && agent !== this.agent) {
        return this.rejected(id, refuse("session.not-you", { agent: this.agent }).rejection);
      }
    }
    const shape = tables.commands[method];
    if (shape === undefined || this.unfit(id, method, shape, own)) return;
    const metered = this.host.admission.meter(this.agent, this.host.clock.monotonicMs());
    if (metered !== undefined) return this.rejected(id, metered.rejection);
    this.made += 1;
    own.type = method;
    const command = own as unknown as Command;
    this.inFlight += 1;
    const waits = (own as { readonly waitMs?: number }).waitMs !== undefined;
    if (waits) this.attach(1);
    this.host.propose({
      agent: this.agent,
      id: (submission as string | undefined) ?? `${this.id}.${this.made}`,
      digest: fingerprint(command),
      command,
      operator: this.operator,
      ...(sentAfter === undefined ? {} : { sentAfter: sentAfter as number }),
      settle: (outcome) => {
        this.inFlight -= 1;
        if (waits) this.attach(-1);
        this.outcome(id, outcome);
      },
    });
  }

  private query({ id, method, params }: Request): void {
    const query = tables.queries[method];
    if (query === undefined || this.unfit(id, method, query.params, params)) return;
    this.inFlight += 1;
    this.host.ask({
      read: (state, nowMs, seq) => {
        const answer = query.answer(state, params as never, this.asker(nowMs));
        return isRefusal(answer) ? answer : { ...(answer as object), seq, nowMs };
      },
      settle: (answer) => {
        this.inFlight -= 1;
        this.answered(id, answer);
      },
    });
  }

  private past({ id, method, params }: Request): void {
    if (!History.answers(method)) return;
    this.inFlight += 1;
    this.host.history.answer(method, params, this.asker(this.host.nowMs())).then(
      (answer) => {
        this.inFlight -= 1;
        this.answered(id, answer);
      },
      (error: unknown) => {
        this.inFlight -= 1;
        this.failure(id, error);
      },
    );
  }

  private open({ id, params }: Request): void {
    if (this.opening) return this.rejected(id, refuse("session.not-open", {}).rejection);
    if (this.unfit(id, "session.open", sessionMethods["session.open"], params)) return;
    const { agent, token, role, project, capabilities, exclusive, resume, observe, oneShot } =
      params as SessionParams<"session.open">;
    if (this.agent !== "" && this.agent !== agent) {
      return this.rejected(id, refuse("session.not-you", { agent: this.agent }).rejection);
    }
    const operator = role === "operator";
    const asked = { agent, operator, ...(token === undefined ? {} : { token }) };
    const admitted = this.host.admission.admit(asked, this.connection.peer);
    if ("rejection" in admitted) return this.rejected(id, admitted.rejection);
    const alone = this.host.sessions.claimName(this, agent, exclusive === true, resume);
    if ("rejection" in alone) return this.rejected(id, alone.rejection);
    const opened = (observing: boolean) => {
      if (oneShot === true && this.contact === undefined) this.oneShot = true;
      this.exclusive = exclusive === true;
      this.opened(id, agent, admitted.operator, observing, alone.resume);
    };
    if (observe === true && this.contact === undefined) return opened(true);
    this.opening = true;
    this.host.propose({
      agent,
      id: "",
      digest: "",
      operator: admitted.operator,
      command: {
        type: "agent.join",
        ...strip({ role, project, capabilities }),
        ...(exclusive === true ? { exclusive, resumeHash: this.host.hash(alone.resume ?? "") } : {}),
        ...(resume === undefined ? {} : { resumes: this.host.hash(resume) }),
      },
      settle: (outcome) => {
        this.opening = false;
        if (outcome instanceof Failure || !outcome.ok) {
          this.host.sessions.release(this, agent);
          this.outcome(id, outcome);
        } else opened(false);
        for (const request of this.early.splice(0)) this.request(request);
      },
    });
  }

  private opened(id: RequestId, agent: string, operator: boolean, observing: boolean, resume?: string): void {
    const { host } = this;
    // The connection ended while the agent joined: nobody else would give the name back.
    if (this.ended) return host.sessions.release(this, agent);
    this.agent = agent;
    this.operator = operator;
    const nowMs = host.nowMs();
    if (!observing && this.contact === undefined) {
      this.contact = host.contacts.of(agent, nowMs);
      this.contact.seenAtMs = nowMs;
      if (!this.oneShot) {
        this.contact.sessions += 1;
        this.contact.goodbye = false;
        this.contact.broken = false;
      }
    }
    this.send(
      reply(id, {
        agent,
        hub: host.hub,
        log: host.state().log.log,
        seq: host.head(),
        protocol: 1,
        durable: host.durable,
        limits: publishedLimits,
        nowMs,
        ...(resume === undefined ? {} : { resume }),
      }),
    );
  }

  private follow(id: RequestId, params: SessionParams<"log.follow">): void {
    const { after, log, events, about, deliver } = params;
    this.inFlight += 1;
    // In its turn, so that what this session did before is behind its cursor's head.
    this.host.ask({
      read: () => undefined,
      settle: (failed) => {
        if (failed instanceof Failure) {
          this.inFlight -= 1;
          return this.failure(id, failed);
        }
        this.host.history.cursorRefusal(after, log).then(
          (refusal) => {
            this.inFlight -= 1;
            if (refusal !== undefined) return this.rejected(id, refusal.rejection);
            if (this.ended) return;
            if (this.follower === undefined) this.attach(1);
            this.follower?.end();
            this.follower = this.host.subscriptions.follow({
              after,
              connection: this.connection,
              asker: () => this.asker(this.host.nowMs()),
              ...(events === undefined ? {} : { events }),
              ...(about === undefined ? {} : { about }),
              ...(deliver === true ? { shown: (seq: number) => this.host.delivered(this.agent, seq) } : {}),
            });
            this.send(reply(id, { seq: this.host.head(), after, nowMs: this.host.nowMs() }));
            this.follower.pump();
          },
          (error: unknown) => {
            this.inFlight -= 1;
            this.failure(id, error);
          },
        );
      },
    });
  }

  private unfollow(id: RequestId): void {
    if (this.follower !== undefined) this.attach(-1);
    this.follower?.end();
    this.follower = undefined;
    this.send(reply(id, { nowMs: this.host.nowMs() }));
  }

  private goodbye(id: RequestId): void {
    this.send(reply(id, { nowMs: this.host.nowMs() }));
    this.closed({ goodbye: true, reason: "session.close" });
    this.connection.close("goodbye");
  }

  private closed(how: Closed): void {
    if (this.ended) return;
    this.ended = true;
    this.follower?.end();
    this.host.sessions.release(this, this.agent);
    const { contact } = this;
    if (contact === undefined) return;
    contact.attached -= this.attached;
    if (this.oneShot) return;
    contact.sessions -= 1;
    contact.seenAtMs = this.host.nowMs();
    if (contact.sessions > 0) return;
    contact.goodbye = how.goodbye;
    contact.broken = !how.goodbye;
    if (how.goodbye) this.host.checkPresence();
  }

  /** Counts what is contact by itself: an open follow, a wait. */
  private attach(by: number): void {
    if (this.ended || this.contact === undefined) return;
    this.attached += by;
    this.contact.attached += by;
    if (by < 0) this.contact.seenAtMs = this.host.nowMs();
  }

  private asker(nowMs: number): Asker {
    const { hash, admission } = this.host;
    return { agent: this.agent, nowMs, operator: this.operator, guarded: admission.guarded, hash };
  }

  private outcome(id: RequestId, outcome: Outcome | Failure): void {
    if (outcome instanceof Failure) return this.failure(id, outcome);
    if (!outcome.ok) return this.rejected(id, outcome.rejection, outcome.repeated);
    const result: Fields = {};
    for (const field in outcome) if (field !== "ok") result[field] = outcome[field];
    const nowMs = this.host.nowMs();
    if (typeof result.expiresAtMs === "number") result.remainingMs = result.expiresAtMs - nowMs;
    result.nowMs = nowMs;
    this.send(reply(id, result));
  }

  private answered(id: RequestId, answer: unknown): void {
    if (answer instanceof Failure) this.failure(id, answer);
    else if (isRefusal(answer)) this.rejected(id, answer.rejection);
    else this.send(reply(id, answer));
  }

  private rejected(id: RequestId, rejection: Rejection, repeated?: true): void {
    const { message, ...data } = rejection;
    if (data.code === "invalid") {
      const { at, why } = data as { readonly at?: string; readonly why?: string };
      return this.send(errorReply(id, codes.invalidParams, message, { at, why }));
    }
    const nowMs = this.host.nowMs();
    this.send(
      errorReply(id, codes.rejection, message, { ...data, ...(repeated ? { repeated } : {}), nowMs }),
    );
  }

  private failure(id: RequestId, error: unknown): void {
    if (!(error instanceof Failure)) this.host.fault(error);
    const failure =
      error instanceof Failure
        ? error
        : new Failure("closed", "The hub has a fault; see its log.", { definite: false });
    const code = failure.definite ? codes.definite : codes.indefinite;
    this.send(errorReply(id, code, failure.message, { code: failure.code, ...failure.fields }));
  }

  private send(message: { readonly id?: RequestId | null }): void {
    if (this.ended) return;
    const frame = encode(this.connection.codec, message);
    if (fitsFrame(frame)) return this.connection.send(frame);
    const tooLarge = "The answer does not fit one frame; ask for less of it (limit, a narrower filter).";
    const data = { code: "usage", bytesMax: limits.frameBytesMax };
    const error = errorReply(message.id ?? null, codes.definite, tooLarge, data);
    this.connection.send(encode(this.connection.codec, error));
  }
}

function fitsFrame(frame: Frame): boolean {
  return typeof frame === "string"
    ? fitsUtf8(frame, limits.frameBytesMax)
    : frame.length <= limits.frameBytesMax;
}

function isRefusal(answer: unknown): answer is { readonly rejection: Rejection } {
  return typeof answer === "object" && answer !== null && "rejection" in answer;
}

/** Without the fields that are `undefined`. */
function strip<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
}
