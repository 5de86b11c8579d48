/**
 * The table of receipts: a value in many versions over one native map.
 *
 * Representation: all versions share one store, which is as the newest of them wants it. Any other
 * version knows the steps from itself to a neighbour nearer to that one, and when it is asked the
 * store is stepped over to it (Baker, "Shallow Binding Makes Functional Arrays Fast", 1991). It is
 * nearly always the newest that is asked; 100,000 receipts in a persistent map were a quarter of the
 * hot path.
 */
import type { Edit } from "../model/map.ts";
import type { Receipt } from "./receipts.ts";

/** When a submission was answered: the order in which receipts are forgotten. */
export interface Answered {
  readonly key: string;
  /** The entry that answered it. */
  readonly seq: number;
  readonly atMs: number;
}

type Step =
  | {
      readonly kind: "set";
      readonly key: string;
      readonly before: Receipt | undefined;
      readonly after: Receipt | undefined;
    }
  | { readonly kind: "push" | "shift"; readonly answered: Answered };

/** The way from one version to the next nearer to the newest. */
interface Way {
  readonly to: ReceiptTable;
  readonly steps: Step[];
  /** Whether the steps are to be taken as they were made, or undone from the last to the first. */
  readonly forward: boolean;
}

/** Places freed at the front of the queue before it is cut. */
const CUT_MIN = 4096;

class Store {
  readonly byKey = new Map<string, Receipt>();
  queue: (Answered | undefined)[] = [];
  first = 0;

  take(step: Step, forward: boolean): void {
    if (step.kind === "set") {
      const receipt = forward ? step.after : step.before;
      if (receipt === undefined) this.byKey.delete(step.key);
      else this.byKey.set(step.key, receipt);
    } else if (step.kind === "push") {
      if (forward) this.queue.push(step.answered);
      else this.queue.pop();
    } else if (forward) this.shift();
    else if (this.first > 0) this.queue[--this.first] = step.answered;
    else this.queue.unshift(step.answered);
  }

  private shift(): void {
    this.queue[this.first++] = undefined;
    if (this.first < CUT_MIN || this.first * 2 < this.queue.length) return;
    this.queue = this.queue.slice(this.first);
    this.first = 0;
  }
}

export class ReceiptTable {
  /** Nothing remembered; shared, so it never owns a store. */
  static readonly empty = new ReceiptTable(new Store(), undefined, undefined);

  private readonly store: Store;
  /** Absent in the version the store is as. */
  private way: Way | undefined;
  /** Under this edit the version may still change. */
  private edit: Edit | undefined;
  /** The version it was made from, for as long as anybody holds that: its way here takes every step. */
  private readonly from: WeakRef<ReceiptTable> | undefined;

  private constructor(store: Store, edit: Edit | undefined, from: ReceiptTable | undefined) {
    this.store = store;
    this.edit = edit;
    this.from = from && new WeakRef(from);
  }

  /** A table with these receipts; `answered` is in order. */
  static of(known: Iterable<readonly [string, Receipt]>, answered: readonly Answered[]): ReceiptTable {
    const store = new Store();
    for (const [key, receipt] of known) store.byKey.set(key, receipt);
    store.queue = [...answered];
    return new ReceiptTable(store, undefined, undefined);
  }

  /**
   * The version to change: this one under the edit that made it, else a new one, which leaves this as
   * it is.
   */
  under(edit: Edit | undefined): ReceiptTable {
    if (edit !== undefined && this.edit === edit) return this.entered();
    if (this === ReceiptTable.empty) return new ReceiptTable(new Store(), edit, undefined);
    this.entered();
    // From here on another version counts on this one.
    this.edit = undefined;
    const next = new ReceiptTable(this.store, edit, this);
    this.way = { to: next, steps: [], forward: true };
    return next;
  }

  get(key: string): Receipt | undefined {
    return this.entered().store.byKey.get(key);
  }

  /** How many were answered and are not forgotten. */
  get size(): number {
    const { queue, first } = this.entered().store;
    return queue.length - first;
  }

  /** The longest answered. */
  get oldest(): Answered | undefined {
    const { queue, first } = this.entered().store;
    return queue[first];
  }

  /** Only on what `under` gave. */
  set(key: string, receipt: Receipt): void {
    this.step({ kind: "set", key, before: this.store.byKey.get(key), after: receipt });
  }

  /** Only on what `under` gave. */
  push(answered: Answered): void {
    this.step({ kind: "push", answered });
  }

  /** Forgets the longest answered. Only on what `under` gave. */
  shift(): void {
    const { oldest } = this;
    if (oldest === undefined) return;
    const { key } = oldest;
    this.step({ kind: "set", key, before: this.store.byKey.get(key), after: undefined });
    this.step({ kind: "shift", answered: oldest });
  }

  /** Those that wait for their answer. */
  open(): (readonly [string, Receipt])[] {
    return [...this.entered().store.byKey].filter(([, receipt]) => receipt.open === true);
  }

  /** Those that were answered, in order. */
  answered(): Answered[] {
    const { queue, first } = this.entered().store;
    return queue.slice(first) as Answered[];
  }

  private step(step: Step): void {
    this.from?.deref()?.way?.steps.push(step);
    this.store.take(step, true);
  }

  /** Brings the store to this version, and turns the ways it came. */
  private entered(): this {
    if (this.way === undefined) return this;
    const path: ReceiptTable[] = [];
    for (let at: ReceiptTable | undefined = this; at?.way !== undefined; at = at.way.to) path.push(at);
    for (const from of path.reverse()) {
      const { to, steps, forward } = from.way as Way;
      if (forward) for (let at = steps.length - 1; at >= 0; at--) this.store.take(steps[at] as Step, false);
      else for (const step of steps) this.store.take(step, true);
      to.way = { to: from, steps, forward: !forward };
      from.way = undefined;
    }
    return this;
  }
}
