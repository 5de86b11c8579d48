/**
 * KeyMap: a persistent hash map with string keys, in which a held version never changes.
 *
 * Representation: up to `FLAT_MAX` keys are one array `[key, value, …]` sorted by key; more are a compressed trie
 * over the bits of the hash, five a level (CHAMP). In a `Branch`, `data` says which of its 32 places hold a key,
 * `nodes` which hold a child; `slots` has the keys and values ascending by place, then the children descending,
 * so both are found with one count of bits. Below the last bits come `Collisions`.
 *
 * Invariants: flat if and only if `size <= FLAT_MAX`; nothing below the root holds fewer than two keys. So the
 * shape, and with it the order of iteration, is a function of the contents alone.
 *
 * Ownership: a map made under an edit has an owner of its own, and marks with it each branch that it creates. It
 * changes those in place, until something else may see them: then it forgets its edit and copies from there on.
 */
import {
  type Collisions,
  collision,
  dropCollision,
  eachCollision,
  findCollision,
  putCollision,
} from "./collisions.ts";

/** Leave to change in place what is created under it. An identity, nothing else; make one for each fold. */
export class Edit {
  declare protected readonly identity: "edit";
}

type Owner = Edit | undefined;

class Branch {
  owner: Owner;
  data: number;
  nodes: number;
  slots: unknown[];

  constructor(owner: Owner, data: number, nodes: number, slots: unknown[]) {
    this.owner = owner;
    this.data = data;
    this.nodes = nodes;
    this.slots = slots;
  }
}

type Root = unknown[] | Branch;
type Child = Branch | Collisions;

const FLAT_MAX = 8;
const LAST_SHIFT = 30;
const ABSENT = Symbol("absent");

/** By how many keys the latest `put` or `drop` changed the trie: spares each level a pair as its result. */
let change = 0;

/**
 * A persistent map. Without an edit every change returns a new map and costs O(log size). With one, whatever was
 * created under the same edit is changed in place, so only the returned map counts; a map made without that edit,
 * or derived from without it, never changes. A change to what is there already (`Object.is`) returns `this`.
 *
 * The order of iteration is a function of the contents alone, the same in every process: by code units up to 8
 * keys, by hash above. An iteration goes over the map as it was when it was asked for, whatever happens during it.
 */
export class KeyMap<V> {
  private count: number;
  private root: Root;
  /** The edit under which this map may still change in place, and the mark on the branches that are its own. */
  private edit: Edit | undefined;
  private readonly owner: Owner;

  private constructor(count: number, root: Root, edit: Edit | undefined, owner: Owner) {
    this.count = count;
    this.root = root;
    this.edit = edit;
    this.owner = owner;
  }

  private static readonly none = new KeyMap<never>(0, [], undefined, undefined);

  /** The map without keys, always the same one. */
  static empty<V>(): KeyMap<V> {
    return KeyMap.none as KeyMap<unknown> as KeyMap<V>;
  }

  /** A later pair replaces an earlier one of the same key. */
  static from<V>(pairs: Iterable<readonly [string, V]>, edit: Edit = new Edit()): KeyMap<V> {
    let map = KeyMap.empty<V>();
    for (const [key, value] of pairs) map = map.set(key, value, edit);
    return map;
  }

  get size(): number {
    return this.count;
  }

  get(key: string): V | undefined {
    const found = find(this.root, key);
    return found === ABSENT ? undefined : (found as V);
  }

  has(key: string): boolean {
    return find(this.root, key) !== ABSENT;
  }

  set(key: string, value: V, edit?: Edit): KeyMap<V> {
    const { root, count } = this;
    const owner = this.ownerUnder(edit);
    if (root instanceof Branch) {
      change = 0;
      return this.become(put(root, owner, 0, hashOf(key), key, value), count + change, edit, owner);
    }
    const at = flatIndex(root, key);
    if (at >= 0) {
      if (Object.is(root[at + 1], value)) return this;
      // The array is as old as its map, so they have the same owner.
      const slots = this.isOpenTo(edit) ? root : root.slice();
      slots[at + 1] = value;
      return this.become(slots, count, edit, owner);
    }
    let place = 0;
    while (place < root.length && (root[place] as string) < key) place += 2;
    const slots = inserted(root, place, key, value);
    return this.become(count < FLAT_MAX ? slots : unflattened(slots, owner), count + 1, edit, owner);
  }

  delete(key: string, edit?: Edit): KeyMap<V> {
    const { root, count } = this;
    if (root instanceof Branch) {
      const owner = this.ownerUnder(edit);
      change = 0;
      const next = drop(root, owner, 0, hashOf(key), key);
      const left = count + change;
      return this.become(left > FLAT_MAX ? next : flattened(next), left, edit, owner);
    }
    const at = flatIndex(root, key);
    if (at < 0) return this;
    if (count === 1) return KeyMap.empty();
    return this.become(removed(root, at), count - 1, edit, this.ownerUnder(edit));
  }

  entries(): IterableIterator<[string, V]> {
    this.edit = undefined;
    return walk(this.root, (key, value): [string, V] => [key, value as V]);
  }

  keys(): IterableIterator<string> {
    this.edit = undefined;
    return walk(this.root, (key) => key);
  }

  values(): IterableIterator<V> {
    this.edit = undefined;
    return walk(this.root, (_, value) => value as V);
  }

  [Symbol.iterator](): IterableIterator<[string, V]> {
    return this.entries();
  }

  /** In the order of iteration, and faster than it. */
  forEach(fn: (value: V, key: string) => void): void {
    this.edit = undefined;
    visit(this.root, (key, value) => fn(value as V, key));
  }

  private isOpenTo(edit: Edit | undefined): boolean {
    return edit !== undefined && this.edit === edit;
  }

  private ownerUnder(edit: Edit | undefined): Owner {
    if (edit === undefined) return undefined;
    return this.edit === edit ? this.owner : new Edit();
  }

  private become(root: Root, count: number, edit: Edit | undefined, owner: Owner): KeyMap<V> {
    if (this.isOpenTo(edit)) {
      this.root = root;
      this.count = count;
      return this;
    }
    if (root === this.root) return this;
    // From here on the two maps have branches in common.
    this.edit = undefined;
    return new KeyMap<V>(count, root, edit, owner);
  }
}

/** Each character is mixed in after a rotation, so that every bit reaches every other; then a finaliser. */
export function hashOf(key: string): number {
  let hash = key.length;
  for (let at = 0; at < key.length; at++) {
    hash = Math.imul(((hash << 5) | (hash >>> 27)) ^ key.charCodeAt(at), 0x9e3779b1);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/** How many bits of a 32-bit integer are set. */
export function bitCount(bits: number): number {
  const pairs = bits - ((bits >>> 1) & 0x55555555);
  const fours = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

function bitAt(hash: number, shift: number): number {
  return 1 << ((hash >>> shift) & 31);
}

/** The value, or `ABSENT`. */
function find(root: Root, key: string): unknown {
  if (!(root instanceof Branch)) {
    const at = flatIndex(root, key);
    return at < 0 ? ABSENT : root[at + 1];
  }
  const hash = hashOf(key);
  let node = root;
  for (let shift = 0; ; shift += 5) {
    const { data, nodes, slots } = node;
    const bit = bitAt(hash, shift);
    if ((data & bit) !== 0) {
      const at = 2 * bitCount(data & (bit - 1));
      return slots[at] === key ? slots[at + 1] : ABSENT;
    }
    if ((nodes & bit) === 0) return ABSENT;
    const child = slots[slots.length - 1 - bitCount(nodes & (bit - 1))];
    if (shift === LAST_SHIFT) {
      const found = findCollision(child as Collisions, key);
      return found === undefined ? ABSENT : found.value;
    }
    node = child as Branch;
  }
}

function put(node: Branch, owner: Owner, shift: number, hash: number, key: string, value: unknown): Branch {
  const { data, nodes, slots } = node;
  const bit = bitAt(hash, shift);
  const at = 2 * bitCount(data & (bit - 1));
  if ((data & bit) !== 0) {
    const present = slots[at] as string;
    if (present === key) return Object.is(slots[at + 1], value) ? node : withSlot(node, owner, at + 1, value);
    change = 1;
    const child = pair(owner, shift + 5, present, slots[at + 1], hash, key, value);
    return withSlots(
      node,
      owner,
      data ^ bit,
      nodes | bit,
      pushedDown(slots, at, childIndex(node, bit) - 1, child),
    );
  }
  if ((nodes & bit) !== 0) {
    const index = childIndex(node, bit);
    const child = slots[index];
    const next =
      shift === LAST_SHIFT
        ? putCounted(child as Collisions, key, value)
        : put(child as Branch, owner, shift + 5, hash, key, value);
    return next === child ? node : withSlot(node, owner, index, next);
  }
  change = 1;
  return withSlots(node, owner, data | bit, nodes, inserted(slots, at, key, value));
}

function drop(node: Branch, owner: Owner, shift: number, hash: number, key: string): Branch {
  const { data, nodes, slots } = node;
  const bit = bitAt(hash, shift);
  const at = 2 * bitCount(data & (bit - 1));
  if ((data & bit) !== 0) {
    if (slots[at] !== key) return node;
    change = -1;
    return withSlots(node, owner, data ^ bit, nodes, removed(slots, at));
  }
  if ((nodes & bit) === 0) return node;
  const index = childIndex(node, bit);
  const child = slots[index];
  if (shift === LAST_SHIFT) {
    const rest = dropCollision(child as Collisions, key) as Collisions;
    if (rest === child) return node;
    change = -1;
    if (rest.size > 1) return withSlot(node, owner, index, rest);
    return withSlots(node, owner, data | bit, nodes ^ bit, pulledUp(slots, at, index, rest.key, rest.value));
  }
  const next = drop(child as Branch, owner, shift + 5, hash, key);
  if (next.nodes === 0 && next.slots.length === 2) {
    const [only, value] = next.slots;
    return withSlots(node, owner, data | bit, nodes ^ bit, pulledUp(slots, at, index, only, value));
  }
  return next === child ? node : withSlot(node, owner, index, next);
}

/** Where the child of this bit stands, or where it would be the last one before. */
function childIndex(node: Branch, bit: number): number {
  return node.slots.length - 1 - bitCount(node.nodes & (bit - 1));
}

function putCounted(of: Collisions, key: string, value: unknown): Collisions {
  const next = putCollision(of, key, value);
  change = next.size - of.size;
  return next;
}

/** What holds two different keys whose hashes agree below `shift`. */
function pair(
  owner: Owner,
  shift: number,
  oldKey: string,
  oldValue: unknown,
  hash: number,
  key: string,
  value: unknown,
): Child {
  if (shift > LAST_SHIFT) return putCollision(collision(oldKey, oldValue), key, value);
  const node = new Branch(owner, bitAt(hashOf(oldKey), shift), 0, [oldKey, oldValue]);
  return put(node, owner, shift, hash, key, value);
}

function withSlot(node: Branch, owner: Owner, at: number, slot: unknown): Branch {
  if (owner !== undefined && node.owner === owner) {
    node.slots[at] = slot;
    return node;
  }
  const slots = node.slots.slice();
  slots[at] = slot;
  return new Branch(owner, node.data, node.nodes, slots);
}

function withSlots(node: Branch, owner: Owner, data: number, nodes: number, slots: unknown[]): Branch {
  if (owner === undefined || node.owner !== owner) return new Branch(owner, data, nodes, slots);
  node.data = data;
  node.nodes = nodes;
  node.slots = slots;
  return node;
}

function flatIndex(slots: readonly unknown[], key: string): number {
  for (let at = 0; at < slots.length; at += 2) if (slots[at] === key) return at;
  return -1;
}

function flattened(root: Branch): unknown[] {
  const pairs: [string, unknown][] = [];
  visit(root, (key, value) => pairs.push([key, value]));
  return pairs.sort((a, b) => (a[0] < b[0] ? -1 : 1)).flat(1);
}

function unflattened(slots: readonly unknown[], owner: Owner): Branch {
  let root = new Branch(owner, 0, 0, []);
  for (let at = 0; at < slots.length; at += 2) {
    const key = slots[at] as string;
    root = put(root, owner, 0, hashOf(key), key, slots[at + 1]);
  }
  return root;
}

// Copies of exactly the size needed: `splice` would leave room to grow, which a million branches cannot afford.

function inserted(slots: readonly unknown[], at: number, key: string, value: unknown): unknown[] {
  const copy = new Array<unknown>(slots.length + 2);
  for (let i = 0; i < at; i++) copy[i] = slots[i];
  copy[at] = key;
  copy[at + 1] = value;
  for (let i = at; i < slots.length; i++) copy[i + 2] = slots[i];
  return copy;
}

function removed(slots: readonly unknown[], at: number): unknown[] {
  const copy = new Array<unknown>(slots.length - 2);
  for (let i = 0; i < at; i++) copy[i] = slots[i];
  for (let i = at; i < copy.length; i++) copy[i] = slots[i + 2];
  return copy;
}

/** The pair at `at` gives way to a child, which ends up at `index`. */
function pushedDown(slots: readonly unknown[], at: number, index: number, child: Child): unknown[] {
  const copy = new Array<unknown>(slots.length - 1);
  for (let i = 0; i < at; i++) copy[i] = slots[i];
  for (let i = at; i < index; i++) copy[i] = slots[i + 2];
  copy[index] = child;
  for (let i = index + 1; i < copy.length; i++) copy[i] = slots[i + 1];
  return copy;
}

/** The child at `index` gives way to its only pair, which ends up at `at`. */
function pulledUp(
  slots: readonly unknown[],
  at: number,
  index: number,
  key: unknown,
  value: unknown,
): unknown[] {
  const copy = new Array<unknown>(slots.length + 1);
  for (let i = 0; i < at; i++) copy[i] = slots[i];
  copy[at] = key;
  copy[at + 1] = value;
  for (let i = at; i < index; i++) copy[i + 2] = slots[i];
  for (let i = index + 1; i < slots.length; i++) copy[i + 1] = slots[i];
  return copy;
}

function* walk<T>(root: Root, pick: (key: string, value: unknown) => T): Generator<T, void, undefined> {
  const rest: (Root | Collisions)[] = [root];
  for (let node = rest.pop(); node !== undefined; node = rest.pop()) {
    if (node instanceof Branch || Array.isArray(node)) {
      const slots: readonly unknown[] = node instanceof Branch ? node.slots : node;
      const children = node instanceof Branch ? slots.length - bitCount(node.nodes) : slots.length;
      for (let at = 0; at < children; at += 2) yield pick(slots[at] as string, slots[at + 1]);
      for (let at = children; at < slots.length; at++) rest.push(slots[at] as Child);
    } else {
      for (const { key, value } of eachCollision(node)) yield pick(key, value);
    }
  }
}

/** The same as `walk`, without its cost a step. */
function visit(node: Root | Collisions, fn: (key: string, value: unknown) => void): void {
  if (node instanceof Branch || Array.isArray(node)) {
    const slots: readonly unknown[] = node instanceof Branch ? node.slots : node;
    const children = node instanceof Branch ? slots.length - bitCount(node.nodes) : slots.length;
    for (let at = 0; at < children; at += 2) fn(slots[at] as string, slots[at + 1]);
    for (let at = slots.length - 1; at >= children; at--) visit(slots[at] as Child, fn);
  } else {
    for (const { key, value } of eachCollision(node)) fn(key, value);
  }
}
