/**
 * Trie: the persistent hash trie below a `KeyMap`, with string keys.
 *
 * Representation: a compressed trie over the bits of the hash, five a level (CHAMP). In a `Branch`, `data`
 * says which of its 32 places hold a key, `nodes` which hold a child; `slots` has the keys and values
 * ascending by place, then the children descending, so both are found with one count of bits. Below the
 * last bits come `Collisions`.
 *
 * Invariant: nothing below the root holds fewer than two keys, so the shape is a function of the contents
 * alone. A branch marked with the owner given is changed in place; others, and all of them without an
 * owner, are copied.
 */
import {
  type Collisions,
  collision,
  dropCollision,
  eachCollision,
  findCollision,
  putCollision,
} from "./collisions.ts";

/** Who may change a branch in place: an identity. */
export type Owner = object | undefined;

/** A node of the trie; `new Branch(owner, 0, 0, [])` is the trie without keys. */
export class Branch {
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

type Child = Branch | Collisions;
type Pairs = readonly unknown[];

const LAST_SHIFT = 30;

/** By how many keys the latest `put` or `drop` changed its trie: spares each level a pair as its result. */
export let change = 0;

/** What `find` returns for a key that is not there. */
export const ABSENT: unique symbol = Symbol("absent");

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

/** The value at `key`, or `ABSENT`. */
export function find(root: Branch, key: string): unknown {
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

/** With `key` at `value`: the same branch when it was so already or was changed in place. */
export function put(root: Branch, owner: Owner, key: string, value: unknown): Branch {
  change = 0;
  return putAt(root, owner, 0, hashOf(key), key, value);
}

/** Without `key`: the same branch when it was not there or when changed in place. */
export function drop(root: Branch, owner: Owner, key: string): Branch {
  change = 0;
  return dropAt(root, owner, 0, hashOf(key), key);
}

function putAt(node: Branch, owner: Owner, shift: number, hash: number, key: string, value: unknown): Branch {
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
        : putAt(child as Branch, owner, shift + 5, hash, key, value);
    return next === child ? node : withSlot(node, owner, index, next);
  }
  change = 1;
  return withSlots(node, owner, data | bit, nodes, inserted(slots, at, key, value));
}

function dropAt(node: Branch, owner: Owner, shift: number, hash: number, key: string): Branch {
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
  const next = dropAt(child as Branch, owner, shift + 5, hash, key);
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
  return putAt(node, owner, shift, hash, key, value);
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

// Copies of exactly the size needed: `splice` would leave room to grow, which a million branches cannot
// afford.

/** A copy with a pair put in at `at`. */
export function inserted(slots: readonly unknown[], at: number, key: string, value: unknown): unknown[] {
  const copy = new Array<unknown>(slots.length + 2);
  for (let i = 0; i < at; i++) copy[i] = slots[i];
  copy[at] = key;
  copy[at + 1] = value;
  for (let i = at; i < slots.length; i++) copy[i + 2] = slots[i];
  return copy;
}

/** A copy without the pair at `at`. */
export function removed(slots: readonly unknown[], at: number): unknown[] {
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

/** Yields each pair of a trie, or of an array of pairs, as `pick` makes it. */
export function* walk<T>(
  root: Pairs | Branch,
  pick: (key: string, value: unknown) => T,
): Generator<T, void, undefined> {
  const rest: (Pairs | Branch | Collisions)[] = [root];
  for (let node = rest.pop(); node !== undefined; node = rest.pop()) {
    if (node instanceof Branch || "length" in node) {
      const slots = node instanceof Branch ? node.slots : node;
      const children = node instanceof Branch ? slots.length - bitCount(node.nodes) : slots.length;
      for (let at = 0; at < children; at += 2) yield pick(slots[at] as string, slots[at + 1]);
      for (let at = children; at < slots.length; at++) rest.push(slots[at] as Child);
    } else {
      for (const { key, value } of eachCollision(node)) yield pick(key, value);
    }
  }
}

/** The same as `walk`, without its cost a step. */
export function visit(node: Pairs | Branch | Collisions, fn: (key: string, value: unknown) => void): void {
  if (node instanceof Branch || "length" in node) {
    const slots = node instanceof Branch ? node.slots : node;
    const children = node instanceof Branch ? slots.length - bitCount(node.nodes) : slots.length;
    for (let at = 0; at < children; at += 2) fn(slots[at] as string, slots[at + 1]);
    for (let at = slots.length - 1; at >= children; at--) visit(slots[at] as Child, fn);
  } else {
    for (const { key, value } of eachCollision(node)) fn(key, value);
  }
}
