/**
 * The table of receipts: a value in many versions over one native store.
 *
 * Representation: all versions share one store, which is as the newest of them wants it. Any other
 * version knows the steps from itself to a neighbour nearer to that one, and when it is asked the
 * store is stepped over to it (Baker, "Shallow Binding Makes Functional Arrays Fast", 1991). It is
 * nearly always the newest that is asked; 100,000 receipts in a persistent map were a quarter of the
 * hot path.
 */
import type { Edit } from "../model/map.ts";
import type { Receipt } from "./receipts.ts";

interface Step {
  readonly kind: "open" | "answer" | "forget";
  readonly receipt: Receipt;
  /** What waited for this answer. */
  readonly before: Receipt | undefined;
}

/** The way from one version to the next nearer to the newest. */
interface Way {
  readonly to: ReceiptTable;
  readonly steps: Step[];
  /** Whether the steps are to be taken as they were made, or undone from the last to the first. */
  readonly forward: boolean;
}

/** Places freed at the front of the queue before it is cut. */
const CUT_MIN = 4096;

/** Receipts by agent, then by submission. */
type Index = Map<string, Map<string, Receipt>>;

class Store {
  /** Those that were answered, in that order, from `first` on. */
  queue: (Receipt | undefined)[] = [];
  first = 0;
  readonly waiting: Index = new Map();
  /** All of them; made when first asked for, since a bulk fold asks for none. */
  private index: Index | undefined;

  find(agent: string, id: string): Receipt | undefined {
    return this.indexed().get(agent)?.get(id);
  }

  take({ kind, receipt, before }: Step, forward: boolean): void {
    if (kind === "open") {
      if (forward) this.open(receipt);
      else this.unopen(receipt);
    } else if (kind === "answer") {
      if (forward) this.answer(receipt, before);
      else this.unanswer(receipt, before);
    } else if (forward) this.forget();
    else this.unforget(receipt);
  }

  open(receipt: Receipt): void {
    put(this.waiting, receipt);
    if (this.index !== undefined) put(this.index, receipt);
  }

  answer(receipt: Receipt, before: Receipt | undefined): void {
    if (before !== undefined) drop(this.waiting, before);
    this.queue.push(receipt);
    if (this.index !== undefined) put(this.index, receipt);
  }

  forget(): void {
    const receipt = this.queue[this.first] as Receipt;
    if (this.index !== undefined) drop(this.index, receipt);
    this.queue[this.first++] = undefined;
    if (this.first < CUT_MIN || this.first * 2 < this.queue.length) return;
    this.queue = this.queue.slice(this.first);
    this.first = 0;
  }

  private unopen(receipt: Receipt): void {
    drop(this.waiting, receipt);
    if (this.index !== undefined) drop(this.index, receipt);
  }

  private unanswer(receipt: Receipt, before: Receipt | undefined): void {
    this.queue.pop();
    if (before !== undefined) put(this.waiting, before);
    if (this.index === undefined) return;
    if (before === undefined) drop(this.index, receipt);
    else put(this.index, before);
  }

  private unforget(receipt: Receipt): void {
    if (this.first > 0) this.queue[--this.first] = receipt;
    else this.queue.unshift(receipt);
    if (this.index !== undefined) put(this.index, receipt);
  }

  private indexed(): Index {
    if (this.index !== undefined) return this.index;
    const index: Index = new Map();
    for (const own of this.waiting.values()) for (const receipt of own.values()) put(index, receipt);
    for (let at = this.first; at < this.queue.length; at++) put(index, this.queue[at] as Receipt);
    this.index = index;
    return index;
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
  static of(waiting: Iterable<Receipt>, answered: Receipt[]): ReceiptTable {
    const store = new Store();
    for (const receipt of waiting) store.open(receipt);
    store.queue = answered;
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

  /** The same under an edit, for who gives this one up: it must not be used any more. */
  moved(edit: Edit): ReceiptTable {
    return this === ReceiptTable.empty ? this : new ReceiptTable(this.entered().store, edit, undefined);
  }

  get(agent: string, id: string): Receipt | undefined {
    return this.entered().store.find(agent, id);
  }

  /** The receipt of a submission that waits for its answer. */
  waiting(agent: string, id: string): Receipt | undefined {
    return this.entered().store.waiting.get(agent)?.get(id);
  }

  /** How many were answered and are not forgotten. */
  get size(): number {
    const { queue, first } = this.entered().store;
    return queue.length - first;
  }

  /** The longest answered. */
  get oldest(): Receipt | undefined {
    const { queue, first } = this.entered().store;
    return queue[first];
  }

  /** Remembers what waits for its answer. Only on what `under` gave. */
  open(receipt: Receipt): void {
    this.#note("open", receipt, undefined);
    this.store.open(receipt);
  }

  /** Remembers what was answered; `before`: as what it waited. Only on what `under` gave. */
  answer(receipt: Receipt, before?: Receipt): void {
    this.#note("answer", receipt, before);
    this.store.answer(receipt, before);
  }

  /** Forgets the longest answered. Only on what `under` gave. */
  forget(): void {
    const { oldest } = this;
    if (oldest === undefined) return;
    this.#note("forget", oldest, undefined);
    this.store.forget();
  }

  /** Those that wait for their answer. */
  opened(): Receipt[] {
    return [...this.entered().store.waiting.values()].flatMap((own) => [...own.values()]);
  }

  /** Those that were answered, in order. */
  answered(): Receipt[] {
    const { queue, first } = this.entered().store;
    return queue.slice(first) as Receipt[];
  }

  /** Lets the version it was made from know the step, if anybody holds that. */
  #note(kind: Step["kind"], receipt: Receipt, before: Receipt | undefined): void {
    this.from?.deref()?.way?.steps.push({ kind, receipt, before });
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

function put(index: Index, receipt: Receipt): void {
  const own = index.get(receipt.agent);
  if (own === undefined) index.set(receipt.agent, new Map([[receipt.id, receipt]]));
  else own.set(receipt.id, receipt);
}

function drop(index: Index, { agent, id }: Receipt): void {
  const own = index.get(agent);
  if (own?.delete(id) === true && own.size === 0) index.delete(agent);
}
