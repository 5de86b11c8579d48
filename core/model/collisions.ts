/**
 * Collisions: the keys of a `KeyMap` whose hashes are equal, in a balanced tree ordered by key.
 *
 * Hashes cannot be seeded at random here (order must be the same everywhere), so anyone can build any
 * number of colliding keys. The tree keeps every operation on them logarithmic. It is persistent and always
 * copies.
 *
 * Representation: a weight-balanced tree. Of two siblings neither weighs more than `DELTA` times the other,
 * a weight being the number of keys plus one; (3, 2) are the parameters for which insertion and deletion
 * are proven to keep that.
 */

const DELTA = 3;
const GAMMA = 2;

/** At least one key with its value. Keys are ordered by code units. */
export interface Collisions {
  readonly key: string;
  readonly value: unknown;
  readonly size: number;
  readonly left: Collisions | undefined;
  readonly right: Collisions | undefined;
}

type Tree = Collisions | undefined;

/** The tree of one key. */
export function collision(key: string, value: unknown): Collisions {
  return tree(key, value, undefined, undefined);
}

/** The node that holds `key`. */
export function findCollision(of: Tree, key: string): Tree {
  let node = of;
  while (node !== undefined && node.key !== key) node = key < node.key ? node.left : node.right;
  return node;
}

/** With `key` at `value`; the same tree when it is there already. */
export function putCollision(of: Tree, key: string, value: unknown): Collisions {
  if (of === undefined) return collision(key, value);
  if (key === of.key) return Object.is(value, of.value) ? of : tree(key, value, of.left, of.right);
  if (key < of.key) {
    const left = putCollision(of.left, key, value);
    return left === of.left ? of : balanced(of.key, of.value, left, of.right);
  }
  const right = putCollision(of.right, key, value);
  return right === of.right ? of : balanced(of.key, of.value, of.left, right);
}

/** Without `key`; the same tree when it is not there, `undefined` when nothing is left. */
export function dropCollision(of: Tree, key: string): Tree {
  if (of === undefined) return undefined;
  if (key < of.key) {
    const left = dropCollision(of.left, key);
    return left === of.left ? of : balanced(of.key, of.value, left, of.right);
  }
  if (key > of.key) {
    const right = dropCollision(of.right, key);
    return right === of.right ? of : balanced(of.key, of.value, of.left, right);
  }
  if (of.left === undefined) return of.right;
  if (of.right === undefined) return of.left;
  let next = of.right;
  while (next.left !== undefined) next = next.left;
  return balanced(next.key, next.value, of.left, dropCollision(of.right, next.key));
}

/** Ascending by key. */
export function* eachCollision(of: Tree): Generator<Collisions, void, undefined> {
  const above: Collisions[] = [];
  let node = of;
  while (node !== undefined || above.length > 0) {
    for (; node !== undefined; node = node.left) above.push(node);
    const next = above.pop() as Collisions;
    yield next;
    node = next.right;
  }
}

function weight(of: Tree): number {
  return of === undefined ? 1 : of.size + 1;
}

function tree(key: string, value: unknown, left: Tree, right: Tree): Collisions {
  return { key, value, size: weight(left) + weight(right) - 1, left, right };
}

/** The tree of these parts, one of which is at most one key out of balance. */
function balanced(key: string, value: unknown, left: Tree, right: Tree): Collisions {
  const onLeft = weight(left);
  const onRight = weight(right);
  if (right !== undefined && onRight > DELTA * onLeft && onLeft + onRight > 3) {
    const inner = right.left;
    if (inner === undefined || weight(inner) < GAMMA * weight(right.right)) {
      return tree(right.key, right.value, tree(key, value, left, inner), right.right);
    }
    const outer = tree(right.key, right.value, inner.right, right.right);
    return tree(inner.key, inner.value, tree(key, value, left, inner.left), outer);
  }
  if (left !== undefined && onLeft > DELTA * onRight && onLeft + onRight > 3) {
    const inner = left.right;
    if (inner === undefined || weight(inner) < GAMMA * weight(left.left)) {
      return tree(left.key, left.value, left.left, tree(key, value, inner, right));
    }
    const outer = tree(left.key, left.value, left.left, inner.left);
    return tree(inner.key, inner.value, outer, tree(key, value, inner.right, right));
  }
  return tree(key, value, left, right);
}
