/**
 * Patches: the algebra of changes to a text: apply, map, compose, invert.
 *
 * A patch is a list of changes in offsets (UTF-16 code units) of the text it is made against. A change
 * puts `insert` into the gap before the character at `from`, and takes away the characters from `from` up
 * to, but not including, `to`. A list is canonical when it is in order, its changes do not overlap and
 * each does something; several may stand at one place, and then stand in the text in their order.
 *
 * Invariant (convergence): for canonical `a` and `b` against one text, and either `first`,
 * `apply(apply(text, b), map(a, b, first))` equals `apply(apply(text, a), map(b, a, !first))`. That needs
 * both ends to hold the very same changes, not others with the same effect: nothing here joins an
 * insertion to a deletion before it.
 */

/** One change; without `to` nothing is taken away, without `insert` nothing put in. */
export interface Change {
  readonly from: number;
  readonly to?: number;
  readonly insert?: string;
}
export type Changes = readonly Change[];

/** A stretch of a text. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

const NOTHING = "";
const NONE: readonly string[] = [];

/** The same changes, canonical; `undefined` where they overlap or reach outside a text of this length. */
export function canonicalChanges(changes: Changes, length: number): Changes | undefined {
  const [only] = changes;
  if (only !== undefined && changes.length === 1) {
    const { from, to = from, insert = NOTHING } = only;
    if (to < from || to > length) return undefined;
    return to === from && insert === NOTHING ? [] : changes;
  }
  let end = 0;
  let sorted = true;
  let empty = false;
  for (const { from, to = from, insert = NOTHING } of changes) {
    if (to < from || to > length) return undefined;
    if (from < end) sorted = false;
    if (to === from && insert === NOTHING) empty = true;
    end = to;
  }
  if (sorted && !empty) return changes;
  const kept = changes.filter(({ from, to = from, insert = NOTHING }) => to > from || insert !== NOTHING);
  // An insertion stands before what is taken away behind it.
  const ordered = [...kept].sort((a, b) => a.from - b.from || (a.to ?? a.from) - (b.to ?? b.from));
  return sorted || isCanonical(ordered, length) ? ordered : undefined;
}

/** Whether changes are canonical for a text of this length. */
export function isCanonical(changes: Changes, length: number): boolean {
  let end = 0;
  for (const { from, to = from, insert = NOTHING } of changes) {
    if (from < end || to < from || to > length || (to === from && insert === NOTHING)) return false;
    end = to;
  }
  return true;
}

/** The text after the changes, which are canonical for it. */
export function applyChanges(text: string, changes: Changes): string {
  let out = "";
  let at = 0;
  for (const { from, to = from, insert = NOTHING } of changes) {
    out += text.slice(at, from) + insert;
    at = to;
  }
  return out + text.slice(at);
}

/** By how much the text gets longer. */
export function growth(changes: Changes): number {
  let sum = 0;
  for (const { from, to = from, insert = NOTHING } of changes) sum += insert.length - (to - from);
  return sum;
}

/** What takes the changes back; `removed` is what each of them took away. */
export function invertChanges(changes: Changes, removed: readonly string[]): Changes {
  let shift = 0;
  return changes.map(({ from, to = from, insert = NOTHING }, i) => {
    const at = from + shift;
    shift += insert.length - (to - from);
    return change(at, at + insert.length, removed[i] ?? NOTHING);
  });
}

/**
 * What each of the changes takes away from the text they are made against; empty where none takes
 * anything.
 */
export function removedBy(changes: Changes, slice: (from: number, to: number) => string): readonly string[] {
  if (changes.every(({ from, to = from }) => to === from)) return NONE;
  return changes.map(({ from, to = from }) => (to > from ? slice(from, to) : NOTHING));
}

/** A change with the fields it needs. */
export function change(from: number, to: number, insert: string): Change {
  if (to === from) return { from, insert };
  return insert === NOTHING ? { from, to } : { from, to, insert };
}

/**
 * `a` as it is to be applied after `over`, both made against one text. `first`: where both insert at one
 * place, what `a` inserts stands before. What both take away is taken once; what one inserts inside a
 * stretch the other takes away stays. `met` hears of each change of `over`, by index and in order, that
 * touched the same characters (DO6).
 */
export function mapChanges(
  a: Changes,
  over: Changes,
  first: boolean,
  met?: (index: number) => void,
): Changes {
  const places = new Places(over);
  const out: Change[] = [];
  for (const { from, to = from, insert = NOTHING } of a) {
    if (insert !== NOTHING) {
      const at = places.of(from, !first);
      if (met !== undefined && places.isInside(from)) met(places.index);
      out.push({ from: at, insert });
    }
    takeAway(places, from, to, out, met);
  }
  return out;
}

/** Maps the taking away of one stretch: less what is gone, in pieces around what was put into it. */
function takeAway(
  places: Places,
  from: number,
  to: number,
  out: Change[],
  met: ((index: number) => void) | undefined,
): void {
  for (let at = from; at < to; ) {
    const index = places.index;
    const start = places.of(at, true);
    if (met !== undefined && at > from) places.inserted(index, at, met);
    const gone = places.goneUntil(at);
    if (gone > at) {
      met?.(places.index);
      at = Math.min(to, gone);
      continue;
    }
    const end = Math.min(to, places.next);
    const last = out.at(-1);
    const length = end - at;
    if (last !== undefined && (last.to ?? last.from) === start) {
      // It goes on where the one before ended, or begins where that one inserts.
      out[out.length - 1] = change(last.from, start + length, last.insert ?? NOTHING);
    } else out.push({ from: start, to: start + length });
    at = end;
  }
}

/** Where places of a text are after changes to it; asked in ascending order. */
class Places {
  /** The change that is reached: all before it lie wholly behind the place asked last. */
  index = 0;
  private readonly changes: Changes;
  private shift = 0;
  /** Whether what the reached change inserts lies behind too. */
  private begun = false;

  constructor(changes: Changes) {
    this.changes = changes;
  }

  /**
   * The place of the gap before the character at `offset`; `behind`: behind what is inserted into that
   * gap.
   */
  of(offset: number, behind: boolean): number {
    for (;;) {
      const next = this.changes[this.index];
      if (next === undefined) return offset + this.shift;
      const { from, to = from, insert = NOTHING } = next;
      if (!this.begun) {
        if (from > offset || (from === offset && !behind)) return offset + this.shift;
        this.shift += insert.length;
        this.begun = true;
      }
      if (to > offset) return from + this.shift;
      this.shift -= to - from;
      this.index += 1;
      this.begun = false;
    }
  }

  /** Whether the gap lies inside what the reached change takes away. */
  isInside(offset: number): boolean {
    const next = this.changes[this.index];
    return next !== undefined && this.begun && next.from < offset && offset < (next.to ?? next.from);
  }

  /** Where the stretch ends that takes away the character at `offset`; `offset` when it stays. */
  goneUntil(offset: number): number {
    const next = this.changes[this.index];
    return next === undefined || !this.begun ? offset : Math.max(offset, next.to ?? next.from);
  }

  /** Where the next change begins. */
  get next(): number {
    return this.changes[this.index]?.from ?? Number.POSITIVE_INFINITY;
  }

  /** Tells which changes from `index` on insert at exactly this place and were passed, or are reached. */
  inserted(index: number, offset: number, met: (index: number) => void): void {
    const last = this.begun ? this.index : this.index - 1;
    for (let i = index; i <= last; i++) {
      const one = this.changes[i];
      if (one?.from === offset && one.insert !== undefined) met(i);
    }
  }
}

/** Where an offset is after the changes; `behind`: behind what is inserted just there. */
export function mapOffset(offset: number, over: Changes, behind: boolean): number {
  return new Places(over).of(offset, behind);
}

/** What change number `index` put into the text, as a stretch of the text after all of them. */
export function rangeOf(changes: Changes, index: number): Range {
  let shift = 0;
  for (let i = 0; i < index; i++) {
    const { from, to = from, insert = NOTHING } = changes[i] as Change;
    shift += insert.length - (to - from);
  }
  const { from, insert = NOTHING } = changes[index] as Change;
  return { from: from + shift, to: from + shift + insert.length };
}

/** `a`, then `b`, which is made against the text after `a`, as one patch. */
export function composeChanges(a: Changes, b: Changes): Changes {
  const out = new Writer();
  const left = new Steps(a);
  const right = new Steps(b);
  while (!left.done || !right.done) {
    if (right.kind === "put") {
      out.put(right.text);
      right.skip();
    } else if (left.kind === "take") {
      out.take(left.length);
      left.skip();
    } else {
      // Both stand at the same characters of the text between, or one has come to its end.
      const length = Math.min(left.length, right.length);
      if (left.kind === "put") {
        if (right.kind === "keep") out.put(left.text.slice(0, length));
      } else if (right.kind === "keep") out.keep(length);
      else out.take(length);
      left.advance(length);
      right.advance(length);
    }
  }
  return out.changes;
}

/**
 * Changes as steps along the text: keep so many characters, put a text, take so many away. Endless
 * keeping at the end.
 */
class Steps {
  kind: "keep" | "put" | "take" = "keep";
  length = 0;
  text = NOTHING;
  done = false;
  private readonly changes: Changes;
  private index = 0;
  private at = 0;
  private stage = 0;

  constructor(changes: Changes) {
    this.changes = changes;
    this.skip();
  }

  advance(length: number): void {
    this.length -= length;
    if (this.kind === "put") this.text = this.text.slice(length);
    if (this.length === 0) this.skip();
  }

  /** Goes on to the next step that is not empty. */
  skip(): void {
    for (;;) {
      const next = this.changes[this.index];
      if (next === undefined) {
        this.kind = "keep";
        this.length = Number.POSITIVE_INFINITY;
        this.done = true;
        return;
      }
      const { from, to = from, insert = NOTHING } = next;
      const stage = this.stage;
      this.stage = (stage + 1) % 3;
      if (stage === 0) {
        this.kind = "keep";
        this.length = from - this.at;
      } else if (stage === 1) {
        this.kind = "put";
        this.text = insert;
        this.length = insert.length;
      } else {
        this.kind = "take";
        this.length = to - from;
        this.at = to;
        this.index += 1;
      }
      if (this.length > 0) return;
    }
  }
}

/** Writes steps down as canonical changes. */
class Writer {
  readonly changes: Change[] = [];
  private at = 0;

  keep(length: number): void {
    if (Number.isFinite(length)) this.at += length;
  }

  put(text: string): void {
    const last = this.changes.at(-1);
    if (last !== undefined && last.from === this.at && last.to === undefined) {
      this.changes[this.changes.length - 1] = { from: last.from, insert: (last.insert ?? NOTHING) + text };
    } else this.changes.push({ from: this.at, insert: text });
  }

  take(length: number): void {
    const last = this.changes.at(-1);
    const to = this.at + length;
    if (last !== undefined && (last.to ?? last.from) === this.at) {
      this.changes[this.changes.length - 1] = change(last.from, to, last.insert ?? NOTHING);
    } else this.changes.push({ from: this.at, to });
    this.at = to;
  }
}
