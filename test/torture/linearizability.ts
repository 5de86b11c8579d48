/**
 * A checker of linearizability after Wing, Gong and Lowe: is there an order of the operations, each somewhere between
 * its call and its reply, in which every reply is right?
 *
 * Searches depth first; what was tried (the set of operations done, and the state they led to) is not tried again.
 */

/** One operation of a history; its reply is `Infinity` when whether it happened is not known. */
export interface Timed {
  readonly call: number;
  readonly reply: number;
}

/** The thing that all operations act on, as a sequential program would see it. */
export interface Model<State, Op> {
  readonly initial: State;
  /** The states an operation may lead to with the reply it got; none when its reply would be wrong. */
  step(state: State, op: Op): readonly State[];
  /** The same text for the same state. */
  name(state: State): string;
}

/** How a check ended; `stuckAt`: the first operation that no order of those before it explains. */
export type Verdict<Op> = { readonly ok: true } | { readonly ok: false; readonly stuckAt: Op };

/** Judges a history. An operation whose outcome is unknown may have happened at any time after its call, or never. */
export function judge<State, Op extends Timed>(model: Model<State, Op>, history: readonly Op[]): Verdict<Op> {
  const ops = [...history].sort((a, b) => a.call - b.call);
  const all = ops.reduce((mask, op, i) => (op.reply < Infinity ? mask | (1n << BigInt(i)) : mask), 0n);
  const tried = new Set<string>();
  const open: { readonly done: bigint; readonly state: State; readonly first: number }[] = [
    { done: 0n, state: model.initial, first: 0 },
  ];
  let furthest = 0;
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const { done, state } = at;
    if ((done & all) === all) return { ok: true };
    let first = at.first;
    while ((done >> BigInt(first)) & 1n) first++;
    furthest = Math.max(furthest, first);
    // Nothing may be put before an operation that had its reply before it was called.
    let until = Infinity;
    for (let i = first; i < ops.length; i++) {
      const op = ops[i] as Op;
      if (op.call > until) break;
      if (!((done >> BigInt(i)) & 1n)) until = Math.min(until, op.reply);
    }
    const next: typeof open = [];
    for (let i = first; i < ops.length; i++) {
      const op = ops[i] as Op;
      if (op.call > until) break;
      const bit = 1n << BigInt(i);
      if (done & bit) continue;
      for (const after of model.step(state, op)) {
        const name = `${(done | bit).toString(36)} ${model.name(after)}`;
        if (tried.has(name)) continue;
        tried.add(name);
        next.push({ done: done | bit, state: after, first });
      }
    }
    open.push(...next.reverse());
  }
  return { ok: false, stuckAt: ops[furthest] as Op };
}
