/** Real editing histories end in their known text (DO12), and on every client in the engine's (DO11). */
import { expect, test } from "vitest";
import {
  type Concurrent,
  changeOf,
  realTrace,
  replayConcurrently,
  type Sequential,
  textLedger,
} from "./trace.ts";

/** Our own, for a checkout without the real ones: typed, corrected, cut and pasted. */
const typed: Sequential = {
  startContent: "",
  endContent: "Hello brave world, and goodbye.",
  txns: [
    ...[..."Helo world"].map((char, i) => ({ patches: [[i, 0, char] as const] })),
    { patches: [[2, 0, "l"]] },
    { patches: [[6, 0, "brave "]] },
    { patches: [[17, 0, ", and goodby"]] },
    {
      patches: [
        [29, 0, "!"],
        [29, 1, "e."],
      ],
    },
  ],
};
const talked: Concurrent = {
  endContent: "abXYcdZ",
  numAgents: 2,
  txns: [
    { parents: [], agent: 0, patches: [[0, 0, "abcd"]] },
    { parents: [0], agent: 0, patches: [[2, 0, "X"]] },
    { parents: [0], agent: 1, patches: [[2, 0, "Y"]] },
    { parents: [2], agent: 1, patches: [[5, 0, "Z"]] },
    {
      parents: [1, 3],
      agent: 0,
      patches: [
        [0, 1, ""],
        [0, 0, "a"],
      ],
    },
  ],
};

const paper = (realTrace("automerge-paper") as Sequential | undefined) ?? typed;
const friends = (realTrace("friendsforever") as Concurrent | undefined) ?? talked;

test("a sequential history ends in its known text, hashes and all", { timeout: 120_000 }, () => {
  const { send, text, ledger } = textLedger(paper.startContent);
  let base = 0;
  for (const { patches } of paper.txns) {
    for (const patch of patches) {
      send({ type: "block.patch", document: "D", block: "text", base, changes: [changeOf(patch)] }, "author");
      base += 1;
    }
  }
  expect(text() === paper.endContent).toBe(true);
  expect(ledger.state.documents.byId.get("D")?.blocks.get("text")?.version).toBe(base);
});

test.each([
  ["friends", friends],
  ["our own", talked],
])("a concurrent history, %s, ends in one text for everybody", { timeout: 120_000 }, (_, trace) => {
  const { texts, mapped } = replayConcurrently(trace);
  const [engine = "", ...others] = texts;
  expect(others).toHaveLength(trace.numAgents);
  for (const other of others) expect(other === engine).toBe(true);
  expect(mapped).toBeGreaterThan(0);
  // Every author typed the same characters as in the history; where two insert at one place, the log's
  // order decides.
  expect([...engine].sort().join("") === [...trace.endContent].sort().join("")).toBe(true);
});
