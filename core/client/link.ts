/**
 * The link: one session with a hub over connections that come and go.
 *
 * It dials, opens the session, and after a break does both again with a jittered back-off, until it is
 * closed or the hub says that trying again is of no use. Frames sent in one turn travel as one batch.
 */
import { assert, Failure } from "../failures.ts";
import { limits, type publishedLimits } from "../limits.ts";
import type { Cancel, Chance, Clock } from "../ports/clock.ts";
import type { Durability } from "../ports/event-log.ts";
import type { Closed, Connection, Frame } from "../ports/transport.ts";
import { batch, encode } from "../protocol/codec.ts";
import { utf8Length } from "../protocol/formats.ts";
import { type Incoming, type RequestId, request } from "../protocol/frame.ts";
import type { SessionParams } from "../protocol/methods.ts";
import { receive } from "../protocol/receive.ts";
import { errorOf, type Refused } from "./refused.ts";

/** What `session.open` answers. */
export interface Welcome {
  readonly agent: string;
  /** Id of the engine. */
  readonly hub: string;
  /** Id of the log. */
  readonly log: string;
  /** The newest entry. */
  readonly seq: number;
  readonly protocol: number;
  readonly durable: Durability;
  readonly limits: { readonly [K in keyof typeof publishedLimits]: number };
  readonly nowMs: number;
  /** Takes an exclusive session over. */
  readonly resume?: string;
}

export interface LinkOptions {
  readonly dial: () => Promise<Connection>;
  readonly clock: Clock;
  readonly chance: Chance;
  /** Params of `session.open`, without `resume`. */
  readonly opening: SessionParams<"session.open">;
}

/**
 * What the link tells. After `up` it takes requests; `down` ends that; after `ended` nothing comes any
 * more.
 */
export interface LinkListener {
  up(welcome: Welcome): void;
  message(message: Incoming): void;
  /** There is room to send again. */
  drained(): void;
  down(reason: string): void;
  ended(error: Failure | Refused): void;
}

type State = "dialling" | "opening" | "up" | "waiting" | "ended";

/** The id of `session.open` and of `session.close`; those of calls are numbers. */
const OPEN = "open";
const CLOSE = "close";
const PING = "ping";

/**
 * Frames gathered in one batch stay far below the limit, so that a full connection overshoots it by little.
 */
const BATCH_BYTES = limits.frameBytesMax / 4;

export class Link {
  private readonly options: LinkOptions;
  private readonly listener: LinkListener;
  private state: State = "dialling";
  private connection: Connection | undefined;
  private resume: string | undefined;
  private failures = 0;
  private cancelTimer: Cancel = () => {};
  private outbox: Frame[] = [];
  private outboxBytes = 0;
  private opened: ((error?: Failure | Refused) => void) | undefined;
  private said: (() => void) | undefined;

  constructor(options: LinkOptions, listener: LinkListener) {
    this.options = options;
    this.listener = listener;
    this.resume = options.opening.resume;
  }

  /** The first dial and opening: rejects with what either of them says, and then is at its end. */
  async open(): Promise<void> {
    const opened = new Promise<void>((resolve, reject) => {
      this.opened = (error) => (error === undefined ? resolve() : reject(error));
    });
    // Who awaits it hears of a failure; nobody else must.
    opened.catch(() => {});
    let connection: Connection;
    try {
      connection = await this.options.dial();
    } catch (error) {
      this.finish(asFailure(error));
      throw error;
    }
    this.greet(connection);
    return opened;
  }

  get isUp(): boolean {
    return this.state === "up";
  }

  get isEnded(): boolean {
    return this.state === "ended";
  }

  /** Whether the connection takes more; when not, `drained` tells. */
  get hasRoom(): boolean {
    const buffered = (this.connection?.bufferedBytes ?? 0) + this.outboxBytes;
    return this.state === "up" && buffered <= limits.connectionBufferBytesMax;
  }

  /** The token that takes this session over, while it is exclusive. */
  get resumeToken(): string | undefined {
    return this.resume;
  }

  /** Sends a request; the link must be up. Throws `usage` when it does not fit in a frame of `bytesMax`. */
  send(id: RequestId, method: string, params: object, bytesMax: number): void {
    const { connection } = this;
    assert(connection !== undefined && this.state === "up", "sending while the link is down");
    const frame = encode(connection.codec, request(id, method, params));
    const bytes = sizeOf(frame);
    if (bytes > bytesMax) {
      const words = `${method} takes ${bytes} bytes; a frame holds ${bytesMax}. Split it; nothing was done.`;
      throw new Failure("usage", words, { fields: { bytes, max: bytesMax } });
    }
    if (this.outbox.length === 0) void Promise.resolve().then(() => this.flush());
    else if (this.outboxBytes + bytes > BATCH_BYTES || this.outbox.length >= limits.batchMax) this.flush();
    this.outbox.push(frame);
    this.outboxBytes += bytes;
  }

  /** Says goodbye, waits a moment for the answer, and ends. */
  async close(error: Failure): Promise<void> {
    if (this.state === "ended") return;
    const { connection } = this;
    if (this.state !== "up" || connection === undefined) return this.finish(error);
    this.flush();
    this.cancelTimer();
    await new Promise<void>((resolve) => {
      this.said = resolve;
      this.cancelTimer = this.options.clock.after(limits.closeMs, resolve);
      connection.send(encode(connection.codec, request(CLOSE, "session.close", {})));
    });
    this.finish(error);
  }

  private flush(): void {
    const { outbox, connection } = this;
    if (outbox.length === 0) return;
    this.outbox = [];
    this.outboxBytes = 0;
    connection?.send(batch(connection.codec, outbox));
  }

  private greet(connection: Connection): void {
    if (this.state === "ended") {
      connection.close("goodbye");
      return;
    }
    this.connection = connection;
    this.state = "opening";
    const mine = () => this.connection === connection;
    connection.receive({
      frame: (frame) => {
        for (const message of receive(frame)) if (mine()) this.message(message);
      },
      drained: () => mine() && this.state === "up" && this.listener.drained(),
      closed: (how) => mine() && this.closed(how),
    });
    this.cancelTimer = this.options.clock.after(limits.requestMs, () => {
      connection.close("failed", "no answer to session.open");
      this.closed({ goodbye: false, reason: "no answer to session.open" });
    });
    const { opening } = this.options;
    const params = this.resume === undefined ? opening : { ...opening, resume: this.resume };
    connection.send(encode(connection.codec, request(OPEN, "session.open", params)));
  }

  private message(message: Incoming): void {
    if (this.state === "opening") {
      if (message.kind === "reply" && message.id === OPEN) this.welcomed(message.result as Welcome);
      else if (message.kind === "error") this.unwelcome(errorOf(message.error));
    } else if ("id" in message && message.id === CLOSE) this.said?.();
    else if ("id" in message && message.id === PING) return;
    else if (this.state === "up") this.listener.message(message);
  }

  private welcomed(welcome: Welcome): void {
    this.cancelTimer();
    this.state = "up";
    this.failures = 0;
    this.resume = welcome.resume;
    this.listener.up(welcome);
    this.opened?.();
    this.opened = undefined;
    if (this.options.opening.observe !== true) this.beat();
  }

  /** Lets the hub hear now and then of an agent that works in silence, so that it is not taken for idle. */
  private beat(): void {
    this.cancelTimer = this.options.clock.after(limits.heartbeatMs, () => {
      const { connection } = this;
      if (this.state !== "up" || connection === undefined) return;
      if (this.hasRoom) connection.send(encode(connection.codec, request(PING, "session.ping", {})));
      this.beat();
    });
  }

  private unwelcome(error: Failure | Refused): void {
    this.cancelTimer();
    const { connection } = this;
    this.connection = undefined;
    connection?.close("goodbye");
    if (this.opened !== undefined || !mayPass(error)) this.finish(error);
    else this.retry();
  }

  private closed({ reason }: Closed): void {
    this.cancelTimer();
    this.connection = undefined;
    this.outbox = [];
    this.outboxBytes = 0;
    const wasUp = this.state === "up";
    const fields = { reason };
    if (this.said !== undefined) this.said();
    else if (reason.startsWith("taken-over")) {
      const words = "Another session took this one over with its resume token.";
      this.finish(new Failure("hub.refused", words, { definite: false, fields }));
    } else if (this.opened !== undefined) {
      this.finish(new Failure("hub.unreachable", `The hub hung up: ${reason}.`, { fields }));
    } else {
      if (wasUp) this.listener.down(reason);
      this.retry();
    }
  }

  private retry(): void {
    if (this.state === "ended") return;
    this.state = "waiting";
    const { clock, chance, dial } = this.options;
    this.cancelTimer = clock.after(backOffMs(this.failures, chance), () => {
      this.state = "dialling";
      dial().then(
        (connection) => this.greet(connection),
        () => this.retry(),
      );
    });
    this.failures += 1;
  }

  private finish(error: Failure | Refused): void {
    if (this.state === "ended") return;
    this.state = "ended";
    this.cancelTimer();
    const { connection, opened } = this;
    this.connection = undefined;
    this.opened = undefined;
    connection?.close("goodbye");
    this.listener.ended(error);
    opened?.(error);
  }
}

/**
 * How long to wait before the next try: up to twice as long each time, by chance, so that a fleet does not
 * come at once.
 */
export function backOffMs(failures: number, chance: Chance): number {
  const most = Math.min(limits.reconnectMsMax, limits.reconnectMsMin * 2 ** Math.min(failures, 16));
  return Math.ceil(most * (0.25 + 0.75 * chance.fraction()));
}

/** Whether opening again may go better. */
function mayPass(error: Failure | Refused): boolean {
  if (error instanceof Failure) return error.code !== "usage";
  return error.code === "rate.limited" || error.code === "session.too-many";
}

function sizeOf(frame: Frame): number {
  return typeof frame === "string" ? utf8Length(frame) : frame.byteLength;
}

function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  const words = error instanceof Error ? error.message : String(error);
  return new Failure("hub.unreachable", `The hub cannot be reached: ${words}`, { cause: error });
}
