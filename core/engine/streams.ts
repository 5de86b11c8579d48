/**
 * Streams: the entries and states of an engine as observables, at the edge of the library.
 *
 * A subscriber that throws or comes back into the engine hurts nobody else: each is called for itself, and
 * RxJS reports what it throws by itself.
 */
import { Observable } from "rxjs";
import type { State } from "../model/model.ts";
import type { Entry } from "../model/slice.ts";

export class Streams {
  /** Every entry as it becomes durable. */
  readonly entries$: Observable<Entry>;
  /** The state after each append, the newest at once. Immutable: it may be held. */
  readonly state$: Observable<State>;
  private readonly watchers = new Map<(entries: readonly Entry[]) => void, () => void>();
  private ended = false;

  constructor(state: () => State) {
    this.entries$ = new Observable((subscriber) =>
      this.watch(
        (entries) => {
          for (const entry of entries) subscriber.next(entry);
        },
        () => subscriber.complete(),
      ),
    );
    this.state$ = new Observable((subscriber) => {
      subscriber.next(state());
      return this.watch(
        () => subscriber.next(state()),
        () => subscriber.complete(),
      );
    });
  }

  publish(entries: readonly Entry[]): void {
    for (const next of [...this.watchers.keys()]) next(entries);
  }

  end(): void {
    this.ended = true;
    for (const done of [...this.watchers.values()]) done();
    this.watchers.clear();
  }

  private watch(next: (entries: readonly Entry[]) => void, done: () => void): () => void {
    if (this.ended) {
      done();
      return () => {};
    }
    this.watchers.set(next, done);
    return () => this.watchers.delete(next);
  }
}
