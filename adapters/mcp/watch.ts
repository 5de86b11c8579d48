/**
 * Watching: which resources have changed, learned from the entries of the log. Changes are gathered for a
 * moment, so that a busy log tells each reader of each resource only a few times a second.
 */
import type { Subscription } from "rxjs";
import { limits } from "../../core/limits.ts";
import type { Event } from "../../core/model/model.ts";
import type { Entry } from "../../core/model/slice.ts";
import type { Cancel } from "../../core/ports/clock.ts";
import { holdersOf, type Place, placeAt } from "./resources.ts";
import type { Seat } from "./seat.ts";

/** A resource that is watched. */
interface Watched {
  readonly place: Place;
  /** How many readers watch it. */
  readers: number;
  /** For a path: who held it when it was last looked at. */
  holders?: string;
}

/** How long after its client has ended a watch looks for another, in milliseconds. */
const AGAIN_MS = 1000;

/** What happened since readers were last told. */
class Gathered {
  readonly kinds = new Set<Place["kind"]>();
  /** Tasks and claims that were named. */
  readonly ids = new Set<string>();

  take(entry: Entry, agent: string | undefined): void {
    for (const event of entry.events) {
      for (const kind of kindsOf(event, agent)) this.kinds.add(kind);
      const { task, claim, parent, child } = event as { readonly [field: string]: unknown };
      for (const id of [task, claim, parent, child]) if (typeof id === "string") this.ids.add(id);
    }
  }
}

/** Kinds of resources that an event changes; of a task's, only where its id is named. */
function kindsOf(event: Event, agent: string | undefined): readonly Place["kind"][] {
  const { type } = event;
  const noun = type.slice(0, type.indexOf("."));
  if (noun === "claim" || noun === "wait") {
    const isQuiet = type === "claim.renewed" || type === "claim.reported" || type === "claim.queued";
    return isQuiet ? ["territory"] : ["territory", "board", "task", "path"];
  }
  if (noun === "task") return ["board", "task"];
  if (noun === "progress" || noun === "checkpoint") return ["task"];
  if (noun === "agent") return ["agents"];
  const isMine =
    (event.type === "message.posted" &&
      (event.broadcast === true || event.recipients.includes(agent ?? ""))) ||
    (event.type === "message.acknowledged" && event.agent === agent);
  return isMine ? ["inbox"] : [];
}

/** Watches resources for one reader, or for several that speak from one seat. */
export class Watch {
  readonly #seat: Seat;
  readonly #tell: (uri: string) => void;
  readonly #watched = new Map<string, Watched>();
  #following: Promise<void> | undefined;
  #subscription: Subscription | undefined;
  #gathered: Gathered | undefined;
  #cancel: Cancel | undefined;
  #closed = false;

  /** `tell` is called with the uri of what has changed. */
  constructor(seat: Seat, tell: (uri: string) => void) {
    this.#seat = seat;
    this.#tell = tell;
  }

  /** Whether it is watched. */
  has(uri: string): boolean {
    return this.#watched.has(uri);
  }

  /** How many resources are watched. */
  get size(): number {
    return this.#watched.size;
  }

  /**
   * Watches these, but for what is no resource or beyond the bound; resolves once nothing that happens from
   * here on is missed. The result ends it, once.
   */
  async add(uris: readonly string[]): Promise<() => void> {
    const added = new Set(uris.filter((uri) => this.#addOne(uri)));
    if (added.size > 0) await this.#follow();
    return () => {
      for (const uri of added) this.#removeOne(uri);
      added.clear();
      if (this.#watched.size === 0) this.#stop();
    };
  }

  /** Ends all of it. */
  close(): void {
    this.#closed = true;
    this.#watched.clear();
    this.#stop();
  }

  #addOne(uri: string): boolean {
    const known = this.#watched.get(uri);
    if (known !== undefined) {
      known.readers += 1;
      return true;
    }
    const place = placeAt(uri, this.#seat);
    if (place === undefined || this.#closed || this.#watched.size >= limits.mcpWatchedMax) return false;
    const watched: Watched = { place, readers: 1 };
    this.#watched.set(uri, watched);
    if (place.kind === "path") this.#look(watched, place.path).catch(() => undefined);
    return true;
  }

  #removeOne(uri: string): void {
    const watched = this.#watched.get(uri);
    if (watched === undefined) return;
    watched.readers -= 1;
    if (watched.readers === 0) this.#watched.delete(uri);
  }

  #stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#gathered = undefined;
    this.#subscription?.unsubscribe();
    this.#subscription = undefined;
    this.#following = undefined;
  }

  #follow(): Promise<void> {
    this.#following ??= this.#open();
    return this.#following;
  }

  /** Subscribes to the entries of the client; when they end, to those of the next one. */
  async #open(): Promise<void> {
    let isOver = false;
    const over = (): void => {
      if (isOver) return;
      isOver = true;
      const timer = setTimeout(() => this.#again(following), AGAIN_MS);
      timer.unref();
    };
    await Promise.resolve();
    const following = this.#following;
    try {
      const client = await this.#seat.client();
      if (following === undefined || this.#following !== following || this.#closed) return;
      this.#subscription = client.entries$.subscribe({
        next: (entry) => this.#take(entry),
        error: over,
        complete: over,
      });
    } catch {
      over();
    }
  }

  /** Follows anew, unless somebody did meanwhile. What was missed is not known: all may have changed. */
  #again(following: Promise<void> | undefined): void {
    if (this.#following !== following || this.#watched.size === 0 || this.#closed) return;
    this.#following = undefined;
    for (const uri of this.#watched.keys()) this.#tell(uri);
    this.#follow().catch(() => undefined);
  }

  #take(entry: Entry): void {
    this.#gathered ??= new Gathered();
    this.#gathered.take(entry, this.#seat.agent);
    if (this.#cancel !== undefined) return;
    const timer = setTimeout(() => {
      this.#cancel = undefined;
      this.#tellGathered();
    }, limits.mcpGatherMs);
    timer.unref();
    this.#cancel = () => clearTimeout(timer);
  }

  #tellGathered(): void {
    const gathered = this.#gathered;
    this.#gathered = undefined;
    if (gathered === undefined) return;
    for (const [uri, watched] of [...this.#watched]) {
      const { place } = watched;
      if (!gathered.kinds.has(place.kind)) continue;
      if (place.kind === "task" && !gathered.ids.has(place.task)) continue;
      if (place.kind === "path") {
        // Whether a claim covers it is asked, for what ends a claim does not say what it covered.
        this.#look(watched, place.path).then(
          (changed) => changed && this.#watched.has(uri) && this.#tell(uri),
          () => undefined,
        );
      } else this.#tell(uri);
    }
  }

  /** Looks who holds a path now; whether it is another than when it was last looked at. */
  async #look(watched: Watched, path: string): Promise<boolean> {
    const holders = await holdersOf(path, this.#seat);
    const changed = watched.holders !== undefined && watched.holders !== holders;
    watched.holders = holders;
    return changed;
  }
}
