/**
 * Subscriptions: followers as cursors over the log. Nothing is queued for them: when a connection is full
 * the engine stops sending, and reads on from the cursor when it drains. A slow follower costs its own
 * cursor and no more.
 */
import { limits } from "../limits.ts";
import { redacted } from "../model/model.ts";
import type { Asker, Entry } from "../model/slice.ts";
import type { Codec, Connection, Frame } from "../ports/transport.ts";
import { batch, encode, entryNotification } from "../protocol/codec.ts";
import { type Filter, wanted } from "../protocol/filter.ts";
import { utf8Length } from "../protocol/formats.ts";
import { notification } from "../protocol/frame.ts";
import type { Tail } from "./tail.ts";

export interface FollowOptions extends Filter {
  readonly after: number;
  readonly connection: Connection;
  readonly asker: () => Asker;
  /** Called when entries up to `seq` were handed to the connection. */
  readonly shown?: (seq: number) => void;
}

export interface SubscriptionsOptions {
  readonly tail: Tail;
  readonly read: (after: number) => AsyncIterable<readonly Entry[]>;
  readonly head: () => number;
}

/**
 * Bytes one frame of entries may hold: small enough that a full connection overshoots its limit by little.
 */
const FRAME_BYTES = limits.frameBytesMax / 4;

export class Subscriptions {
  private readonly options: SubscriptionsOptions;
  private readonly followers = new Set<Follower>();
  private readonly frames = new Frames();

  constructor(options: SubscriptionsOptions) {
    this.options = options;
  }

  get size(): number {
    return this.followers.size;
  }

  /** How far the slowest follower is behind the head, in entries. */
  get lag(): number {
    let lag = 0;
    for (const { cursor } of this.followers) lag = Math.max(lag, this.options.head() - cursor);
    return lag;
  }

  /** Adds a follower; it begins to receive when it is pumped. */
  follow(options: FollowOptions): Follower {
    const follower = new Follower(options, this.options, this.frames, () => this.followers.delete(follower));
    this.followers.add(follower);
    return follower;
  }

  /** New entries are durable and in the tail. */
  publish(): void {
    for (const follower of this.followers) follower.pump();
  }
}

/** Frames that were made for one follower and serve all others at the same cursor. */
class Frames {
  private readonly single = new WeakMap<Entry, { json?: Frame; msgpack?: Frame }>();
  private last: { entries: readonly Entry[]; codec: Codec; frames: readonly Frame[] } | undefined;

  of(entry: Entry, codec: Codec): Frame {
    const made = this.single.get(entry) ?? {};
    const frame = made[codec] ?? entryNotification(codec, entry);
    made[codec] = frame;
    this.single.set(entry, made);
    return frame;
  }

  /** The entries in as few frames as are allowed, in order. */
  together(entries: readonly Entry[], codec: Codec): readonly Frame[] {
    const { last } = this;
    const same =
      last !== undefined &&
      last.codec === codec &&
      last.entries.length === entries.length &&
      last.entries.every((entry, i) => entry === entries[i]);
    if (same) return last.frames;
    const frames: Frame[] = [];
    let gathered: Frame[] = [];
    let bytes = 0;
    for (const entry of entries) {
      const frame = this.of(entry, codec);
      const size = typeof frame === "string" ? utf8Length(frame) : frame.length;
      if (gathered.length > 0 && (bytes + size > FRAME_BYTES || gathered.length >= limits.batchMax)) {
        frames.push(batch(codec, gathered));
        gathered = [];
        bytes = 0;
      }
      gathered.push(frame);
      bytes += size;
    }
    if (gathered.length > 0) frames.push(batch(codec, gathered));
    this.last = { entries, codec, frames };
    return frames;
  }
}

/** One cursor. */
export class Follower {
  cursor: number;
  private readonly options: FollowOptions;
  private readonly source: SubscriptionsOptions;
  private readonly frames: Frames;
  private readonly leave: () => void;
  private readonly wants: ((entry: Entry) => boolean) | undefined;
  private reading = false;
  private ended = false;

  constructor(options: FollowOptions, source: SubscriptionsOptions, frames: Frames, leave: () => void) {
    this.options = options;
    this.source = source;
    this.frames = frames;
    this.leave = leave;
    this.cursor = options.after;
    this.wants = wanted(options);
  }

  /** Sends what there is, as far as the connection takes it. */
  pump(): void {
    if (this.reading || this.ended) return;
    const head = this.source.head();
    let told = this.cursor;
    while (this.cursor < head && this.hasRoom) {
      const entries = this.source.tail.after(this.cursor, limits.followChunk);
      if (entries === undefined) {
        this.readOn();
        return;
      }
      if (entries.length === 0) break;
      told = this.send(entries) ? this.cursor : told;
    }
    if (this.cursor > told) this.tellCursor();
  }

  end(): void {
    this.ended = true;
    this.leave();
  }

  private get hasRoom(): boolean {
    return this.options.connection.bufferedBytes < limits.connectionBufferBytesMax;
  }

  /** Sends those of the entries it wants; whether the last one was among them. */
  private send(entries: readonly Entry[]): boolean {
    const { connection, asker, shown } = this.options;
    const last = entries[entries.length - 1];
    if (last === undefined) return false;
    const who = asker();
    const wanted = this.wants === undefined ? entries : entries.filter(this.wants);
    let hidden = false;
    const seen = wanted.map((entry) => {
      const shown = redacted(entry, who);
      if (shown !== entry) hidden = true;
      return shown;
    });
    if (seen.length > 0) {
      const frames = hidden
        ? seen.map((entry) => this.frames.of(entry, connection.codec))
        : this.frames.together(wanted, connection.codec);
      for (const frame of frames) connection.send(frame);
    }
    this.cursor = last.seq;
    if (seen.length > 0) shown?.(last.seq);
    return wanted[wanted.length - 1] === last;
  }

  private tellCursor(): void {
    const { connection } = this.options;
    connection.send(encode(connection.codec, notification("cursor", { seq: this.cursor })));
  }

  /** Catches up from the log, for as long as the connection takes it. */
  private readOn(): void {
    this.reading = true;
    const run = async () => {
      for await (const entries of this.source.read(this.cursor)) {
        for (let from = 0; from < entries.length; from += limits.followChunk) {
          if (this.ended || !this.hasRoom) return;
          if (!this.send(entries.slice(from, from + limits.followChunk))) this.tellCursor();
        }
        if (this.source.tail.after(this.cursor, 1) !== undefined) return;
      }
    };
    run().then(
      () => {
        this.reading = false;
        if (this.hasRoom) this.pump();
      },
      () => {
        this.end();
        this.options.connection.close("failed", "the log could not be read");
      },
    );
  }
}
