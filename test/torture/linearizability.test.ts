/**
 * The checker itself, on histories that are known to be good and bad, and against trying every order.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type ClaimOp, claimModel } from "./claim-model.ts";
import { judge, type Model, type Timed } from "./linearizability.ts";

interface RegisterOp extends Timed {
  readonly write?: number;
  readonly read?: number;
}

const register: Model<number, RegisterOp> = {
  initial: 0,
  name: String,
  step: (state, { write, read }) => (write !== undefined ? [write] : read === state ? [state] : []),
};

const op = (call: number, reply: number, what: Partial<RegisterOp>): RegisterOp => ({ call, reply, ...what });

test.each<[string, boolean, RegisterOp[]]>([
  ["nothing", true, []],
  ["one after another", true, [op(0, 1, { write: 1 }), op(2, 3, { read: 1 })]],
  ["a stale read", false, [op(0, 1, { write: 1 }), op(2, 3, { read: 0 })]],
  [
    "a read beside a write sees either",
    true,
    [op(0, 9, { write: 1 }), op(1, 2, { read: 0 }), op(3, 4, { read: 1 })],
  ],
  [
    "a read beside a write goes back",
    false,
    [op(0, 9, { write: 1 }), op(1, 2, { read: 1 }), op(3, 4, { read: 0 })],
  ],
  [
    "a lost write that happened late",
    true,
    [op(0, Infinity, { write: 1 }), op(1, 2, { read: 0 }), op(5, 6, { read: 1 })],
  ],
  ["a lost write that never happened", true, [op(0, Infinity, { write: 1 }), op(1, 2, { read: 0 })]],
  ["a value nobody wrote", false, [op(0, Infinity, { write: 1 }), op(1, 2, { read: 2 })]],
])("a register: %s", (_, good, history) => {
  expect(judge(register, history).ok).toBe(good);
});

/** All orders, tried one by one. */
function bruteForce<S, O extends Timed>(
  model: Model<S, O>,
  left: readonly O[],
  state: S = model.initial,
): boolean {
  if (left.every((o) => o.reply === Infinity)) return true;
  return left.some((o) => {
    if (left.some((other) => other.reply < o.call)) return false;
    const rest = left.filter((other) => other !== o);
    return model.step(state, o).some((next) => bruteForce(model, rest, next));
  });
}

test("it agrees with trying every order", () => {
  const ops = fc.array(
    fc
      .tuple(fc.nat(12), fc.nat(6), fc.nat(2), fc.boolean(), fc.nat(5))
      .map(([call, long, value, writes, lost]) =>
        op(
          call,
          lost === 0 && writes ? Infinity : call + long + 0.5,
          writes ? { write: value } : { read: value },
        ),
      ),
    { maxLength: 6 },
  );
  let bad = 0;
  fc.assert(
    fc.property(ops, (history) => {
      const { ok } = judge(register, history);
      if (!ok) bad++;
      return ok === bruteForce(register, history);
    }),
    { numRuns: 2000 },
  );
  expect(bad).toBeGreaterThan(100);
});

const T = 1000;
const of = (
  agent: string,
  verb: ClaimOp["verb"],
  call: number,
  reply: number,
  rest: Partial<ClaimOp>,
): ClaimOp => ({
  agent,
  verb,
  call,
  reply,
  ttlMs: T,
  ...rest,
});
const ok = (epoch?: number) => ({ answer: { ok: true as const, ...(epoch === undefined ? {} : { epoch }) } });
const no = (code: string, rest: { holder?: string; epoch?: number } = {}) => ({
  answer: { ok: false as const, code, ...rest },
});
const grant = of("a", "acquire", 0, 1, ok(5));

test.each<[string, boolean, ClaimOp[]]>([
  [
    "two hold it one after another",
    true,
    [grant, of("a", "release", 2, 3, { epoch: 5, ...ok() }), of("b", "acquire", 4, 5, ok(7))],
  ],
  ["two hold it at once", false, [grant, of("b", "acquire", 4, 5, ok(7))]],
  [
    "the second is refused",
    true,
    [grant, of("b", "acquire", 4, 5, no("claim.held", { holder: "a", epoch: 5 }))],
  ],
  [
    "refused for one who does not hold it",
    false,
    [grant, of("b", "acquire", 4, 5, no("claim.held", { holder: "c", epoch: 5 }))],
  ],
  ["the lease ran out", true, [grant, of("b", "acquire", T, T + 1, ok(7))]],
  ["the lease ended early", false, [grant, of("b", "acquire", T - 50, T - 40, ok(7))]],
  [
    "a renewed lease counts from its renewal",
    false,
    [grant, of("a", "renew", 500, 501, { epoch: 5, ...ok() }), of("b", "acquire", T + 100, T + 101, ok(7))],
  ],
  [
    "an epoch comes twice",
    false,
    [grant, of("a", "release", 2, 3, { epoch: 5, ...ok() }), of("b", "acquire", 4, 5, ok(5))],
  ],
  ["an epoch goes back", false, [grant, of("a", "acquire", 2, 3, ok(4))]],
  [
    "a zombie renews",
    false,
    [grant, of("a", "acquire", 2, 3, ok(8)), of("a", "renew", 4, 5, { epoch: 5, ...ok() })],
  ],
  [
    "a zombie is refused",
    true,
    [
      grant,
      of("a", "acquire", 2, 3, ok(8)),
      of("a", "renew", 4, 5, { epoch: 5, ...no("claim.stale", { epoch: 8 }) }),
    ],
  ],
  [
    "refused as unknown while it holds",
    false,
    [grant, of("a", "renew", 4, 5, { epoch: 5, ...no("claim.unknown") })],
  ],
  [
    "a grant whose answer was lost",
    true,
    [
      of("a", "acquire", 0, Infinity, {}),
      of("b", "acquire", 4, 5, no("claim.held", { holder: "a", epoch: 5 })),
    ],
  ],
  [
    "an acknowledged grant that is gone",
    false,
    [grant, of("b", "acquire", 4, 5, ok(7)), of("a", "renew", 6, 7, { epoch: 5, ...no("claim.unknown") })],
  ],
  [
    "a release whose answer was lost",
    true,
    [grant, of("a", "release", 2, Infinity, { epoch: 5 }), of("b", "acquire", 4, 5, ok(7))],
  ],
  ["a refusal nobody knows", false, [grant, of("b", "acquire", 4, 5, no("nonsense"))]],
])("a claim: %s", (_, good, history) => {
  expect(judge(claimModel, history).ok).toBe(good);
});

test("a long history with much at once is judged in time, and one wrong reply in it is found", () => {
  const history: ClaimOp[] = [];
  for (let i = 0; i < 400; i++) {
    const at = i * 10;
    history.push(of(`a${i % 7}`, "acquire", at, at + 4, ok(2 * i + 1)));
    for (let j = 0; j < 3; j++) {
      history.push(
        of(`b${j}`, "acquire", at + 1, at + 8, no("claim.held", { holder: `a${i % 7}`, epoch: 2 * i + 1 })),
      );
    }
    history.push(of(`a${i % 7}`, "release", at + 5, at + 9, { epoch: 2 * i + 1, ...ok() }));
  }
  expect(judge(claimModel, history)).toEqual({ ok: true });
  const wrong = history.map((o, i) => (i === 1501 ? { ...o, agent: "z", ...ok(1000) } : o));
  expect(judge(claimModel, wrong).ok).toBe(false);
});
