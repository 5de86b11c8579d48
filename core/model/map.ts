/**
 * KeyMap: a persistent map with string keys, in which a held version never changes.
 *
 * Representation: up to `FLAT_MAX` keys are one array `[key, value, …]` sorted by key; more are a trie
 * (trie.ts). Invariant: flat if and only if `size <= FLAT_MAX`. So the shape, and with it the order of
 * iteration, is a function of the contents alone.
 *
 * Ownership: a map made under an edit has an owner of its own, and marks with it each branch that it
 * creates. It changes those in place, until something else may see them: then it forgets its edit and
 * copies from there on.
 */
import { ABSENT, Branch, change, drop, find, inserted, put, removed, visit, walk } from "./trie.ts";

/** Leave to change in place what is created under it. An identity, nothing else; make one for each fold. */
export class Edit {
  declare protected readonly identity: "edit";
  /** The newest whole that was made under it and may be changed in place; kept by whoever makes wholes. */
  newest: object | undefined;
}

type Owner = Edit | undefined;
type Root = unknown[] | Branch;

const FLAT_MAX = 8;

/**
 * A persistent map. Without an edit every change returns a new map and costs O(log size). With one,
 * whatever was created under the same edit is changed in place, so only the returned map counts; a map made
 * without that edit, or derived from without it, never changes. A change to what is there already
 * (`Object.is`) returns `this`.
 *
 * The order of iteration is a function of the contents alone, the same in every process: by code units up
 * to 8 keys, by hash above. An iteration goes over the map as it was when it was asked for, whatever
 * happens during it.
 */
export class KeyMap<V> {
  private count: number;
  private root: Root;
  /**
   * The edit under which this map may still change in place, and the mark on the branches that are its own.
   */
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
    const found = lookUp(this.root, key);
    return found === ABSENT ? undefined : (found as V);
  }

  has(key: string): boolean {
    return lookUp(this.root, key) !== ABSENT;
  }

  set(key: string, value: V, edit?: Edit): KeyMap<V> {
    const { root, count } = this;
    const owner = this.ownerUnder(edit);
    if (root instanceof Branch) {
      return this.become(put(root, owner, key, value), count + change, edit, owner);
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
      const next = drop(root, owner, key);
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

function lookUp(root: Root, key: string): unknown {
  if (root instanceof Branch) return find(root, key);
  const at = flatIndex(root, key);
  return at < 0 ? ABSENT : root[at + 1];
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
    root = put(root, owner, slots[at] as string, slots[at + 1]);
  }
  return root;
}
