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

function same(table: ReceiptTable, plain: Plain, asked: boolean): void {
  expect(table.answered().map(({ id }) => id)).toEqual(plain.queue);
  expect(table.size).toBe(plain.queue.length);
  if (asked) for (const key of keys) expect(table.get("ann", key)).toEqual(plain.byKey.get(key));
  const waiting = [...plain.byKey.values()].filter(({ answered }) => answered === 0);
  expect(new Set(table.opened())).toEqual(new Set(waiting));
  for (const key of keys) {
    expect(table.waiting("ann", key)).toEqual(waiting.find(({ id }) => id === key));
  }
}

describe("the table of receipts", () => {
  it("keeps every version, whichever is asked or changed next", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.boolean(), (steps, asked) => {
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
          const before = byKey.get(key);
          if (what === "forget") {
            const oldest = queue.shift();
            if (oldest !== undefined) byKey.delete(oldest);
            table.forget();
          } else if (before === undefined || (what === "answer" && before.answered === 0)) {
            // A submission is opened once and answered once.
            const answered = what === "open" ? 0 : seq;
            const receipt: Receipt = { agent: "ann", id: key, digest: "x", seq, answered, atMs: answered };
            byKey.set(key, receipt);
            if (what === "open") table.open(receipt);
            else {
              table.answer(receipt, before);
              queue.push(key);
            }
          }
          // What was made under this very edit has changed in place: it is not to be used any more.
          if (table === from.table) kept.splice(at, 1);
          kept.push({ table, plain: { byKey, queue }, edit: under });
          for (const one of kept) same(one.table, one.plain, asked);
        }
      }),
      { numRuns: 400 },
    );
  });

  it("keeps what is not forgotten through any number of forgettings", () => {
    const table = ReceiptTable.empty.under(new Edit());
    for (let seq = 1; seq <= 20_000; seq++) {
      table.answer({ agent: "ann", id: `s${seq}`, digest: "x", seq, answered: seq, atMs: seq });
      if (seq > 3) table.forget();
    }
    expect(table.oldest?.id).toBe("s19998");
    expect(table.answered().map(({ id }) => id)).toEqual(["s19998", "s19999", "s20000"]);
    expect([table.get("ann", "s19997"), table.get("ann", "s19998")?.seq]).toEqual([undefined, 19_998]);
  });
});
