/**
 * SeqMap: a persistent map ordered by seq, in which a held version never changes.
 *
 * Representation: a radix tree of width 32 that leaves out levels at which nothing branches. A node covers
 * the keys from `base` to `base + 32 * unit - 1`, `unit` being a power of 32 and `base` a multiple of 32
 * units.
 * `bits` says which of its 32 places are taken, `slots` has those and no others: values where `unit` is 1,
 * else nodes.
 *
 * Invariants: no node is empty, and one with `unit > 1` has at least two children. So a hole costs nothing,
 * a tree emptied from the front shrinks at once, and no path is longer than 11 nodes.
 *
 * Ownership: as in `KeyMap`.
 */
import { assert } from "../failures.ts";
import { Edit } from "./map.ts";
import { bitCount } from "./trie.ts";

type Owner = Edit | undefined;

class Node {
  owner: Owner;
  readonly base: number;
  readonly unit: number;
  bits: number;
  slots: unknown[];

  constructor(owner: Owner, base: number, unit: number, bits: number, slots: unknown[]) {
    this.owner = owner;
    this.base = base;
    this.unit = unit;
    this.bits = bits;
    this.slots = slots;
  }
}

const WIDTH = 32;

/** By how many keys the latest `put` or `drop` changed the tree: spares each level a pair as its result. */
let change = 0;

/**
 * A persistent map from non-negative safe integers, ascending. Edits mean what they mean to a `KeyMap`:
 * without one every change returns a new map and costs O(log size); with one, whatever was created under it
 * is changed in place, and only the returned map counts. A change to what is there already (`Object.is`)
 * returns `this`.
 *
 * An iteration goes over the map as it was when it was asked for, whatever happens during it.
 */
export class SeqMap<V> {
  private count: number;
  private root: Node | undefined;
  /**
   * The edit under which this map may still change in place, and the mark on the nodes that are its own.
   */
  private edit: Edit | undefined;
  private readonly owner: Owner;

  private constructor(count: number, root: Node | undefined, edit: Edit | undefined, owner: Owner) {
    this.count = count;
    this.root = root;
    this.edit = edit;
    this.owner = owner;
  }

  private static readonly none = new SeqMap<never>(0, undefined, undefined, undefined);

  /** The map without keys, always the same one. */
  static empty<V>(): SeqMap<V> {
    return SeqMap.none as SeqMap<unknown> as SeqMap<V>;
  }

  /** Pairs in any order; a later one replaces an earlier one of the same key. */
  static from<V>(pairs: Iterable<readonly [number, V]>, edit: Edit = new Edit()): SeqMap<V> {
    let map = SeqMap.empty<V>();
    for (const [seq, value] of pairs) map = map.set(seq, value, edit);
    return map;
  }

  get size(): number {
    return this.count;
  }

  get(seq: number): V | undefined {
    const leaf = leafOf(this.root, seq);
    return leaf?.slots[bitCount(leaf.bits & (bitOf(leaf, seq) - 1))] as V | undefined;
  }

  has(seq: number): boolean {
    return leafOf(this.root, seq) !== undefined;
  }

  /** A key that is no non-negative safe integer is a fault. */
  set(seq: number, value: V, edit?: Edit): SeqMap<V> {
    assert(Number.isSafeInteger(seq) && seq >= 0, "a key of a SeqMap is a non-negative safe integer");
    const owner = this.ownerUnder(edit);
    change = 0;
    const root = this.root === undefined ? leafWith(owner, seq, value) : put(this.root, owner, seq, value);
    return this.become(root, edit, owner);
  }

  delete(seq: number, edit?: Edit): SeqMap<V> {
    if (leafOf(this.root, seq) === undefined) return this;
    if (this.count === 1) return SeqMap.empty();
    const owner = this.ownerUnder(edit);
    change = -1;
    return this.become(drop(this.root as Node, owner, seq), edit, owner);
  }

  /** The pair of the lowest key. */
  first(): [number, V] | undefined {
    if (this.root === undefined) return undefined;
    const leaf = lowest(this.root);
    return [leaf.base + lowBit(leaf.bits), leaf.slots[0] as V];
  }

  /** The pair of the highest key. */
  last(): [number, V] | undefined {
    if (this.root === undefined) return undefined;
    const leaf = highest(this.root);
    return [leaf.base + highBit(leaf.bits), leaf.slots[leaf.slots.length - 1] as V];
  }

  /** The pairs with keys of at least `seq`, ascending. */
  from(seq: number): IterableIterator<[number, V]> {
    this.edit = undefined;
    return ascending(this.root, seq, (key, value): [number, V] => [key, value as V]);
  }

  /** The pairs with keys of at most `seq`, descending; from the last without it. */
  downFrom(seq: number = Number.MAX_SAFE_INTEGER): IterableIterator<[number, V]> {
    this.edit = undefined;
    return descending(this.root, seq, (key, value): [number, V] => [key, value as V]);
  }

  entries(): IterableIterator<[number, V]> {
    return this.from(0);
  }

  keys(): IterableIterator<number> {
    this.edit = undefined;
    return ascending(this.root, 0, (key) => key);
  }

  values(): IterableIterator<V> {
    this.edit = undefined;
    return ascending(this.root, 0, (_, value) => value as V);
  }

  [Symbol.iterator](): IterableIterator<[number, V]> {
    return this.from(0);
  }

  private ownerUnder(edit: Edit | undefined): Owner {
    if (edit === undefined) return undefined;
    return this.edit === edit ? this.owner : new Edit();
  }

  private become(root: Node, edit: Edit | undefined, owner: Owner): SeqMap<V> {
    if (edit !== undefined && this.edit === edit) {
      this.root = root;
      this.count += change;
      return this;
    }
    if (root === this.root) return this;
    // From here on the two maps have nodes in common.
    this.edit = undefined;
    return new SeqMap<V>(this.count + change, root, edit, owner);
  }
}

/** The place of a key in a node; outside 0 to 31 when the node does not cover it. */
function placeIn(node: Node, seq: number): number {
  return Math.floor((seq - node.base) / node.unit);
}

function bitOf(node: Node, seq: number): number {
  return 1 << placeIn(node, seq);
}

function lowBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}

function highBit(bits: number): number {
  return 31 - Math.clz32(bits);
}

/** The leaf that holds `seq`; `undefined` also for what is no key. */
function leafOf(root: Node | undefined, seq: number): Node | undefined {
  let node = root;
  while (node !== undefined) {
    const place = placeIn(node, seq);
    if (!(place >= 0 && place < WIDTH)) return undefined;
    const bit = 1 << place;
    if ((node.bits & bit) === 0) return undefined;
    if (node.unit === 1) return node.base + place === seq ? node : undefined;
    node = node.slots[bitCount(node.bits & (bit - 1))] as Node;
  }
  return undefined;
}

function leafWith(owner: Owner, seq: number, value: unknown): Node {
  change = 1;
  const place = seq % WIDTH;
  return new Node(owner, seq - place, 1, 1 << place, [value]);
}

function put(node: Node, owner: Owner, seq: number, value: unknown): Node {
  const place = placeIn(node, seq);
  if (place < 0 || place >= WIDTH) return joined(owner, node, leafWith(owner, seq, value));
  const bit = 1 << place;
  const at = bitCount(node.bits & (bit - 1));
  if ((node.bits & bit) === 0) {
    change = 1;
    const slot = node.unit === 1 ? value : leafWith(owner, seq, value);
    return withSlots(node, owner, node.bits | bit, inserted(node.slots, at, slot));
  }
  const present = node.slots[at];
  const next = node.unit === 1 ? value : put(present as Node, owner, seq, value);
  return Object.is(next, present) ? node : withSlot(node, owner, at, next);
}

/** The smallest node above two that do not cover each other. */
function joined(owner: Owner, a: Node, b: Node): Node {
  const [low, high] = a.base < b.base ? [a, b] : [b, a];
  let unit = Math.max(low.unit, high.unit) * WIDTH;
  while (Math.floor(low.base / unit / WIDTH) !== Math.floor(high.base / unit / WIDTH)) unit *= WIDTH;
  const base = Math.floor(low.base / unit / WIDTH) * unit * WIDTH;
  const node = new Node(owner, base, unit, 0, [low, high]);
  node.bits = bitOf(node, low.base) | bitOf(node, high.base);
  return node;
}

/** Without `seq`, which is there, and which is not all there is below `node`. */
function drop(node: Node, owner: Owner, seq: number): Node {
  const bit = bitOf(node, seq);
  const at = bitCount(node.bits & (bit - 1));
  const child = node.slots[at] as Node;
  if (node.unit > 1 && (child.unit > 1 || child.slots.length > 1)) {
    const next = drop(child, owner, seq);
    return next === child ? node : withSlot(node, owner, at, next);
  }
  if (node.unit > 1 && node.slots.length === 2) return node.slots[1 - at] as Node;
  return withSlots(node, owner, node.bits ^ bit, removed(node.slots, at));
}

function withSlot(node: Node, owner: Owner, at: number, slot: unknown): Node {
  if (owner !== undefined && node.owner === owner) {
    node.slots[at] = slot;
    return node;
  }
  const slots = node.slots.slice();
  slots[at] = slot;
  return new Node(owner, node.base, node.unit, node.bits, slots);
}

function withSlots(node: Node, owner: Owner, bits: number, slots: unknown[]): Node {
  if (owner === undefined || node.owner !== owner) return new Node(owner, node.base, node.unit, bits, slots);
  node.bits = bits;
  node.slots = slots;
  return node;
}

function inserted(slots: readonly unknown[], at: number, slot: unknown): unknown[] {
  const copy = new Array<unknown>(slots.length + 1);
  for (let i = 0; i < at; i++) copy[i] = slots[i];
  copy[at] = slot;
  for (let i = at; i < slots.length; i++) copy[i + 1] = slots[i];
  return copy;
}

function removed(slots: readonly unknown[], at: number): unknown[] {
  const copy = new Array<unknown>(slots.length - 1);
  for (let i = 0; i < at; i++) copy[i] = slots[i];
  for (let i = at; i < copy.length; i++) copy[i] = slots[i + 1];
  return copy;
}

function lowest(root: Node): Node {
  let node = root;
  while (node.unit > 1) node = node.slots[0] as Node;
  return node;
}

function highest(root: Node): Node {
  let node = root;
  while (node.unit > 1) node = node.slots[node.slots.length - 1] as Node;
  return node;
}

/** The first leaf with a key of at least `seq`. */
function leafUp(node: Node, seq: number): Node | undefined {
  if (seq <= node.base) return lowest(node);
  const place = placeIn(node, seq);
  if (!(place < WIDTH)) return undefined;
  if (node.unit === 1) return node.base + highBit(node.bits) >= seq ? node : undefined;
  const bit = 1 << place;
  const at = bitCount(node.bits & (bit - 1));
  const taken = (node.bits & bit) !== 0;
  const within = taken ? leafUp(node.slots[at] as Node, seq) : undefined;
  if (within !== undefined) return within;
  const next = node.slots[taken ? at + 1 : at] as Node | undefined;
  return next && lowest(next);
}

/** The last leaf with a key of at most `seq`. */
function leafDown(node: Node, seq: number): Node | undefined {
  const place = placeIn(node, seq);
  if (place >= WIDTH) return highest(node);
  if (!(place >= 0)) return undefined;
  if (node.unit === 1) return node.base + lowBit(node.bits) <= seq ? node : undefined;
  const bit = 1 << place;
  const at = bitCount(node.bits & (bit - 1));
  const within = (node.bits & bit) === 0 ? undefined : leafDown(node.slots[at] as Node, seq);
  if (within !== undefined) return within;
  const next = node.slots[at - 1] as Node | undefined;
  return next && highest(next);
}

type Pick<T> = (seq: number, value: unknown) => T;

// One search a leaf instead of a stack: a leaf of a dense map holds 32.

function* ascending<T>(root: Node | undefined, seq: number, pick: Pick<T>): Generator<T, void, undefined> {
  if (root === undefined) return;
  for (let leaf = leafUp(root, seq); leaf !== undefined; leaf = leafUp(root, leaf.base + WIDTH)) {
    let rest = leaf.bits;
    for (const value of leaf.slots) {
      const key = leaf.base + lowBit(rest);
      if (key >= seq) yield pick(key, value);
      rest &= rest - 1;
    }
  }
}

function* descending<T>(root: Node | undefined, seq: number, pick: Pick<T>): Generator<T, void, undefined> {
  if (root === undefined) return;
  for (let leaf = leafDown(root, seq); leaf !== undefined; leaf = leafDown(root, leaf.base - 1)) {
    let rest = leaf.bits;
    for (let at = leaf.slots.length - 1; at >= 0; at--) {
      const key = leaf.base + highBit(rest);
      if (key <= seq) yield pick(key, leaf.slots[at]);
      rest ^= 1 << highBit(rest);
    }
  }
}
