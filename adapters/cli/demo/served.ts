/**
 * What was served: every list the hub answers, and the state an onlooker folded, held against a replay of
 * the log.
 */
import type { Client } from "../../../core/client/client.ts";
import { emptyFold, type Fold, foldEntry } from "../../../core/engine/fold.ts";
import { recover } from "../../../core/engine/recovery.ts";
import { readSnapshot, rowsOf, writeSnapshot } from "../../../core/engine/snapshot.ts";
import { queries, type State, save } from "../../../core/model/model.ts";
import type { Asker, Entry } from "../../../core/model/slice.ts";
import type { EventLog } from "../../../core/ports/event-log.ts";
import { openLog } from "../../log/index.ts";
import { pause } from "./fleet.ts";
import type { Finding } from "./proof.ts";

/** One answer of the hub, and what it was asked. */
export interface Answer {
  readonly method: string;
  readonly params: object;
  readonly agent: string;
  readonly result: { readonly seq: number; readonly nowMs: number; readonly [field: string]: unknown };
}

/** Asks a hub for everything it lists, page by page. */
export async function askAll(client: Client): Promise<readonly Answer[]> {
  const { agent } = client;
  const answers: Answer[] = [];
  const lists = Object.keys(queries).filter((method) => method.endsWith(".list"));
  for (const method of ["state.summary", "tasks.ready", ...lists]) {
    let params: { readonly limit?: number; readonly cursor?: string } =
      method === "state.summary" ? {} : { limit: 100 };
    for (;;) {
      const result = (await client.send(method, params)) as Answer["result"];
      answers.push({ method, params, agent, result });
      const next = result.next as string | undefined;
      if (next === undefined) break;
      params = { ...params, cursor: next };
    }
  }
  return answers;
}

/** Holds answers, the onlooker's state and a recovery against a replay of all entries. */
export async function servedIsReplayed(
  log: EventLog,
  entries: readonly Entry[],
  answers: readonly Answer[],
  seen: { readonly state: State; readonly seq: number },
): Promise<readonly Finding[]> {
  const folds = new Map<number, Fold>();
  const wanted = new Set([seen.seq, ...answers.map(({ result }) => result.seq)]);
  let fold = emptyFold;
  for (const entry of entries) {
    fold = foldEntry(fold, entry, undefined);
    if (wanted.has(entry.seq)) folds.set(entry.seq, fold);
  }
  const wrong = answers.flatMap((answer) => differences(answer, folds.get(answer.result.seq)?.state));
  const served = answers.reduce(
    (sum, { result }) => sum + ((result.items as readonly unknown[])?.length ?? 1),
    0,
  );
  const recovered = rowsOf(await recover(log));
  const again = rowsOf(await throughSnapshot(fold));
  const rows = rowsOf(fold);
  const replica = unequal(rowsOfState(seen.state), rowsOfState(folds.get(seen.seq)?.state));
  return [
    { what: `the hub's ${served} answered rows are those of a replay from the first entry`, against: wrong },
    { what: `a client's copy, kept over the crash, is that replay, row by row`, against: replica },
    {
      what: `a fresh recovery, and one through a snapshot, give the same ${rows.length} rows`,
      against: [...unequal(recovered, rows), ...unequal(again, rows)],
    },
  ];
}

function differences({ method, params, agent, result }: Answer, state: State | undefined): readonly string[] {
  const { seq, nowMs, ...given } = result;
  if (state === undefined) return [`${method} was answered as of ${seq}, which the log does not have`];
  const asker: Asker = { agent, nowMs, operator: false, guarded: false };
  const query = queries[method as keyof typeof queries];
  const replayed = (query.answer as (state: State, params: object, asker: Asker) => object)(
    state,
    params,
    asker,
  );
  const { nowMs: _, ...expected } = JSON.parse(JSON.stringify(replayed)) as {
    readonly [field: string]: unknown;
  };
  return canonical(given) === canonical(expected) ? [] : [`${method} differs from the replay at ${seq}`];
}

/** The same text for the same value, in whatever order its keys are. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function rowsOfState(state: State | undefined): readonly string[] {
  return state === undefined ? [] : [...save(state)].map((row) => JSON.stringify(row)).sort();
}

function unequal(given: readonly string[], expected: readonly string[]): readonly string[] {
  const known = new Set(expected);
  const more = given.filter((row) => !known.has(row)).map((row) => `not in the replay: ${row.slice(0, 120)}`);
  return given.length === expected.length ? more : [...more, `${given.length} rows, not ${expected.length}`];
}

async function throughSnapshot(fold: Fold): Promise<Fold> {
  const log = await openLog("memory:");
  try {
    await writeSnapshot(log.snapshots, fold, () => pause(0));
    return await readSnapshot(log.snapshots, fold.seq);
  } finally {
    await log.close();
  }
}
