/**
 * The index over live claims' scopes: finds the claims that overlap a scope without looking at the others.
 *
 * Each part of a scope is filed in a persistent tree (scope-places.ts). The places that a query's part can
 * meet are walked lazily, and each claim found there is then checked exactly, so filing only has to be
 * complete.
 *
 * Invariant: `all` has every claim. While their worktree labels are all the same (`only`), `groups` is
 * empty; otherwise it has each label's own tree, "" standing for claims without a worktree.
 */
import { Edit, KeyMap } from "./map.ts";
import { partsMeet } from "./patterns.ts";
import { candidates, emptyPlace, file, isClearOf, Leaf, type Place, unfile } from "./scope-places.ts";
import { searchFor } from "./scope-routes.ts";
import { compileScope, type Scope } from "./scopes.ts";

interface Trees {
  readonly all: Place;
  readonly groups: KeyMap<Place>;
  readonly only: string;
}

const NO_WORKTREE = "";
const NO_TREES: Trees = { all: emptyPlace, groups: KeyMap.empty(), only: NO_WORKTREE };

/**
 * A persistent index from keys to canonical scopes. A change returns a new index; under an edit it changes
 * in place what was made under the same edit, so that only the returned index counts, until another is
 * derived from it.
 */
export class ScopeIndex {
  /** How many keys there are. */
  readonly size: number;
  private readonly foldCase: boolean;
  private readonly trees: Trees;
  /**
   * The caller's edit, and the one its places are marked with: a fresh one where two trees begin to share
   * some.
   */
  private outer: Edit | undefined;
  private readonly inner: Edit | undefined;

  private constructor(
    size: number,
    foldCase: boolean,
    trees: Trees,
    outer: Edit | undefined,
    inner: Edit | undefined,
  ) {
    this.size = size;
    this.foldCase = foldCase;
    this.trees = trees;
    this.outer = outer;
    this.inner = inner;
  }

  static empty(foldCase: boolean): ScopeIndex {
    return new ScopeIndex(0, foldCase, NO_TREES, undefined, undefined);
  }

  /** Much faster than adding one by one without an edit. Keys must differ. */
  static build(foldCase: boolean, scopes: Iterable<readonly [key: string, scope: Scope]>): ScopeIndex {
    const edit = new Edit();
    let index = ScopeIndex.empty(foldCase);
    for (const [key, scope] of scopes) index = index.add(key, scope, edit);
    return index.released();
  }

  /** Adds a key that is not there yet. */
  add(key: string, scope: Scope, edit?: Edit): ScopeIndex {
    let inner = this.innerUnder(edit);
    const { parts } = compileScope(scope, this.foldCase);
    const leaves = parts.map((part, at) => new Leaf(leafId(key, at), key, part));
    const filed = (place: Place): Place => {
      let root = place;
      for (const leaf of leaves) root = file(root, leaf, inner);
      return root;
    };
    const worktree = scope.worktree ?? NO_WORKTREE;
    const { all, groups, only } = this.trees;
    if (this.size === 0 || (groups.size === 0 && only === worktree)) {
      return this.become(this.size + 1, { all: filed(all), groups, only: worktree }, edit, inner);
    }
    let split = groups;
    if (groups.size === 0) {
      split = groups.set(only, all, edit);
      inner = edit === undefined ? undefined : new Edit();
    }
    split = split.set(worktree, filed(split.get(worktree) ?? emptyPlace), edit);
    return this.become(this.size + 1, { all: filed(all), groups: split, only }, edit, inner);
  }

  /** Takes away a key that was added with this very scope. */
  remove(key: string, scope: Scope, edit?: Edit): ScopeIndex {
    const inner = this.innerUnder(edit);
    const { parts } = compileScope(scope, this.foldCase);
    const rid = (place: Place): Place => {
      let root = place;
      for (const [at, part] of parts.entries()) root = unfile(root, part, leafId(key, at), inner);
      return root;
    };
    const worktree = scope.worktree ?? NO_WORKTREE;
    const { all, groups, only } = this.trees;
    const group = groups.get(worktree);
    let rest = groups;
    if (group !== undefined) {
      const left = rid(group);
      rest = left === emptyPlace ? groups.delete(worktree, edit) : groups.set(worktree, left, edit);
    }
    const trees = { all: rid(all), groups: rest, only };
    if (rest.size !== 1) return this.become(this.size - 1, trees, edit, inner);
    const [sole] = rest.keys();
    return this.become(
      this.size - 1,
      { ...trees, groups: KeyMap.empty(), only: sole as string },
      edit,
      inner,
    );
  }

  /**
   * Whether it is certain, and cheap to see, that nothing covers a path that `scope` covers. `false` says
   * nothing.
   */
  isClear(scope: Scope, acrossWorktrees: boolean): boolean {
    if (this.size === 0) return true;
    const roots = this.rootsFor(acrossWorktrees ? undefined : scope.worktree);
    for (const part of compileScope(scope, this.foldCase).parts) {
      for (const root of roots) if (!isClearOf(root, part)) return false;
    }
    return true;
  }

  /**
   * The keys whose scopes cover some path that `scope` covers, each once, in no particular order, found as
   * the caller goes on: with one worktree for both, or whatever their worktrees are with `acrossWorktrees`.
   */
  *overlapping(scope: Scope, { acrossWorktrees }: { acrossWorktrees: boolean }): IterableIterator<string> {
    const { parts } = compileScope(scope, this.foldCase);
    const roots = this.rootsFor(acrossWorktrees ? undefined : scope.worktree);
    const seen = new Set<string>();
    for (const part of parts) {
      const search = searchFor(part);
      for (const root of roots) {
        for (const { key, part: other } of candidates(root, search)) {
          if (seen.has(key) || !partsMeet(part, other)) continue;
          seen.add(key);
          yield key;
        }
      }
    }
  }

  private rootsFor(worktree: string | undefined): readonly Place[] {
    const { all, groups, only } = this.trees;
    if (worktree === undefined) return [all];
    if (groups.size === 0) return only === worktree || only === NO_WORKTREE ? [all] : [];
    return [groups.get(worktree), groups.get(NO_WORKTREE)].filter((place) => place !== undefined);
  }

  private innerUnder(edit: Edit | undefined): Edit | undefined {
    if (edit === undefined) return undefined;
    return edit === this.outer ? this.inner : new Edit();
  }

  private become(size: number, trees: Trees, edit: Edit | undefined, inner: Edit | undefined): ScopeIndex {
    // From here on the two have places in common.
    if (edit !== this.outer) this.outer = undefined;
    return new ScopeIndex(size, this.foldCase, trees, edit, inner);
  }

  private released(): ScopeIndex {
    return new ScopeIndex(this.size, this.foldCase, this.trees, undefined, undefined);
  }
}

/** A key has no NUL in it, so these differ for different keys. */
function leafId(key: string, at: number): string {
  return at === 0 ? key : `${key}\0${at}`;
}
