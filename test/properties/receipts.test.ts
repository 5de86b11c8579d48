/**
 * The receipts' table behaves like a value: every version that is kept says what a plain copy made then says.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ReceiptTable } from "../../core/engine/receipt-table.ts";
import type { Receipt } from "../../core/engine/receipts.ts";
import { Edit } from "../../core/model/map.ts";

interface Plain {
  readonly byKey: ReadonlyMap<string, Receipt>;
  readonly queue: readonly string[];
}

const keys = ["a", "b", "c", "d"] as const;
const step = fc.record({
  /** Which of the kept versions is changed, counted from the newest. */
  version: fc.nat(5),
  edit: fc.constantFrom("same", "fresh", "none"),
  what: fc.constantFrom("answer", "open", "forget"),
  key: fc.constantFrom(...keys),
});

function same(table: ReceiptTable, plain: Plain): void {
  expect(table.answered().map(({ key }) => key)).toEqual(plain.queue);
  expect(table.size).toBe(plain.queue.length);
  for (const key of keys) expect(table.get(key)).toEqual(plain.byKey.get(key));
  expect(new Map(table.open())).toEqual(new Map([...plain.byKey].filter(([, { open }]) => open)));
}

describe("the table of receipts", () => {
  it("keeps every version, whichever is asked or changed next", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let edit = new Edit();
        const kept: { table: ReceiptTable; plain: Plain; edit: Edit | undefined }[] = [
          { table: ReceiptTable.empty, plain: { byKey: new Map(), queue: [] }, edit: undefined },
        ];
        let seq = 0;
        for (const { version, edit: which, what, key } of steps) {
          seq += 1;
          const at = Math.max(0, kept.length - 1 - version);
          const from = kept[at];
          if (from === undefined) continue;
          if (which === "fresh") edit = new Edit();
          const under = which === "none" ? undefined : edit;
          const table = from.table.under(under);
          const byKey = new Map(from.plain.byKey);
          const queue = [...from.plain.queue];
          const receipt: Receipt = what === "open" ? { digest: "x", seq, open: true } : { digest: "x", seq };
          if (what === "forget") {
            const oldest = queue.shift();
            if (oldest !== undefined) byKey.delete(oldest);
            table.shift();
          } else {
            byKey.set(key, receipt);
            table.set(key, receipt);
            if (what === "answer") {
              queue.push(key);
              table.push({ key, seq, atMs: seq });
            }
          }
          // What was made under this very edit has changed in place: it is not to be used any more.
          if (table === from.table) kept.splice(at, 1);
          kept.push({ table, plain: { byKey, queue }, edit: under });
          for (const one of kept) same(one.table, one.plain);
        }
      }),
      { numRuns: 400 },
    );
  });
});
