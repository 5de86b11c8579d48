/**
 * The bulletin: what the hub itself publishes on its broker, and what of it is retained.
 *
 * The broker's library would do it, too, but it may send a new subscriber a retained message that was
 * replaced while it was on its way, after the one that replaced it; and it makes each packet anew for each
 * subscriber. Here a retained topic is read when it is sent, and a packet is made once.
 *
 * Invariant: what a subscriber was sent last on a topic is what is retained there, or is yet to be sent to
 * it.
 */
import type { Client } from "aedes";
import type { Cancel, Clock } from "../../core/ports/clock.ts";
import type { Intake } from "./intake.ts";
import { publishPacket, underId } from "./publish-packet.ts";
import type { AwayStore } from "./store.ts";
import type { Caller } from "./switchboard.ts";
import { matches, type Topics } from "./topics.ts";

export interface BulletinOptions {
  readonly topics: Topics;
  readonly store: AwayStore;
  readonly after: Clock["after"];
  /** Bytes that may wait for a subscriber before publishing waits for it. */
  readonly bufferBytesMax: number;
  /** A subscriber that then takes nothing for this long is cut. */
  readonly drainMs: number;
}

interface Target {
  readonly caller: Caller;
  readonly quality: 0 | 1;
}

/** Topics whose subscribers are remembered. */
const REMEMBERED_MAX = 4096;

export class Bulletin {
  readonly #options: BulletinOptions;
  readonly #retained = new Map<string, string>();
  /** Callers with filters that may match what is published here. */
  readonly #watching = new Set<Caller>();
  readonly #targets = new Map<string, readonly Target[]>();
  readonly #slow = new Map<Intake, Cancel>();
  readonly #replays = new Map<Caller, Iterator<string>[]>();
  #held: (() => void)[] = [];
  #corked: Intake[] = [];

  constructor(options: BulletinOptions) {
    this.#options = options;
  }

  /** Whether a message on the topic would reach or wait for anybody now. */
  hears(topic: string): boolean {
    return this.#options.store.hasSessions || this.#targetsOf(topic).length > 0;
  }

  /** Publishes; `done` at once, or when subscribers that were behind have caught up or were cut. */
  publish(topic: string, payload: string, retain: boolean, done: () => void): void {
    if (retain) {
      if (payload === "") this.#retained.delete(topic);
      else this.#retained.set(topic, payload);
    }
    const targets = this.#targetsOf(topic);
    let plain: Buffer | undefined;
    let numbered: Buffer | undefined;
    const payloadBytes = targets.length === 0 ? 0 : Buffer.byteLength(payload);
    for (const { caller, quality } of targets) {
      if (quality === 0) {
        plain ??= publishPacket(topic, payload);
        this.#write(caller, plain);
      } else if (isClean(caller)) {
        numbered ??= publishPacket(topic, payload, { id: 1 });
        this.#write(caller, underId(numbered, payloadBytes, nextId(caller.client as Client)));
      } else this.#throughLibrary(caller, topic, payload);
    }
    if (this.#options.store.hasSessions) this.#options.store.keepForAway(topic, payload);
    if (this.#slow.size === 0) done();
    else this.#held.push(done);
  }

  /** The caller's filters are others now; `added` are those it has just subscribed to. */
  changed(caller: Caller, added: readonly string[]): void {
    this.#targets.clear();
    if ([...caller.filters.keys()].some((filter) => this.#mayMatch(filter))) this.#watching.add(caller);
    else this.#watching.delete(caller);
    for (const filter of added) {
      if (!this.#mayMatch(filter)) continue;
      const replays = this.#replays.get(caller);
      if (replays === undefined) {
        this.#replays.set(caller, [this.#matching(filter)]);
        caller.intake.on("room", () => this.#replay(caller));
      } else replays.push(this.#matching(filter));
    }
    if (added.length > 0) this.#replay(caller);
  }

  gone(caller: Caller): void {
    this.#watching.delete(caller);
    this.#replays.delete(caller);
    this.#targets.clear();
  }

  /** Sends what is retained, as far as the caller takes it; each with what it says by then. */
  #replay(caller: Caller): void {
    const replays = this.#replays.get(caller);
    while (replays?.[0] !== undefined) {
      if (caller.intake.waitingBytes > this.#options.bufferBytesMax / 2) return;
      const { done, value: topic } = replays[0].next();
      if (done === true) {
        replays.shift();
        continue;
      }
      const payload = this.#retained.get(topic);
      const quality = qualityOf(caller, topic);
      if (payload === undefined || quality === undefined) continue;
      const id = quality === 0 ? {} : { id: nextId(caller.client as Client) };
      this.#write(caller, publishPacket(topic, payload, { ...id, retain: true }));
    }
  }

  *#matching(filter: string): Iterator<string> {
    if (!/[+#]/.test(filter)) {
      if (this.#retained.has(filter)) yield filter;
      return;
    }
    // What is added meanwhile was sent as it came, and once more here does no harm.
    for (const topic of this.#retained.keys()) if (matches(filter, topic)) yield topic;
  }

  #targetsOf(topic: string): readonly Target[] {
    const known = this.#targets.get(topic);
    if (known !== undefined) return known;
    const targets: Target[] = [];
    for (const caller of this.#watching) {
      const quality = qualityOf(caller, topic);
      if (quality !== undefined) targets.push({ caller, quality });
    }
    if (this.#targets.size >= REMEMBERED_MAX) this.#targets.clear();
    this.#targets.set(topic, targets);
    return targets;
  }

  #mayMatch(filter: string): boolean {
    const [first, second] = filter.split("/", 2);
    if (first === "#") return true;
    if (first !== "+" && first !== this.#options.topics.prefix) return false;
    return second === undefined || second === "#" || second === "+" || second === "log" || second === "state";
  }

  #write({ intake }: Caller, packet: Buffer): void {
    if (intake.destroyed) return;
    if (!this.#corked.includes(intake)) {
      intake.cork();
      if (this.#corked.push(intake) === 1) process.nextTick(this.#uncork);
    }
    intake.write(packet);
    if (intake.waitingBytes <= this.#options.bufferBytesMax || this.#slow.has(intake)) return;
    const again = (): void => {
      intake.off("room", again);
      intake.off("close", again);
      this.#slow.get(intake)?.();
      this.#slow.delete(intake);
      if (this.#slow.size > 0) return;
      for (const done of this.#held.splice(0)) done();
    };
    intake.on("room", again);
    intake.on("close", again);
    this.#slow.set(
      intake,
      this.#options.after(this.#options.drainMs, () => intake.refuse("too-slow")),
    );
  }

  readonly #uncork = (): void => {
    for (const intake of this.#corked.splice(0)) intake.uncork();
  };

  /** For a session that outlives its connection the library counts and repeats. */
  #throughLibrary({ client }: Caller, topic: string, payload: string): void {
    client?.publish(this.#options.store.packet(topic, payload), () => undefined);
  }
}

/**
 * The highest quality among the caller's filters that match, as far as the hub's own messages go; none: no
 * match.
 */
function qualityOf(caller: Caller, topic: string): 0 | 1 | undefined {
  let quality: 0 | 1 | undefined;
  for (const [filter, granted] of caller.filters) {
    if (quality !== undefined && granted === 0) continue;
    if (matches(filter, topic)) quality = granted === 0 ? 0 : 1;
    if (quality === 1) break;
  }
  return quality;
}

function isClean({ client }: Caller): boolean {
  return client?.clean !== false;
}

/**
 * The next packet identifier, from the counter of the library, which numbers its own messages to the
 * client, too.
 */
function nextId(client: Client): number {
  const counter = client as Client & { _nextId: number };
  const id = counter._nextId;
  counter._nextId = id >= 65_535 ? 1 : id + 1;
  return id;
}
