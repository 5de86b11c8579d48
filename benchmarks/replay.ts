/**
 * `replay`: folding a mixed log of a million entries from SQLite, against no more than reading and unpacking them, one
 * row an entry, page by page.
 */
import { join } from "node:path";
import Database from "better-sqlite3";
import { packEntries, unpackEntries } from "../adapters/log/codec.ts";
import { openLog } from "../adapters/log/index.ts";
import { recover } from "../core/engine/recovery.ts";
import { compared, inTurns, print, seconds } from "./measure.ts";
import { folderOnDisk } from "./rig/disk.ts";
import { writeHistory } from "./rig/history.ts";
import type { Options } from "./run.ts";
import { workload } from "./workload.ts";

const ROUNDS = 3;
const PAGE = 1000;

export async function run({ scale }: Options): Promise<void> {
  const folder = folderOnDisk();
  const log = await openLog(join(folder.path, "log.db"), { durability: "relaxed" });
  const rows = new Database(join(folder.path, "rows.db"));
  try {
    const entries = Math.round(1_000_000 * scale);
    const { seq } = await writeHistory(log, { entries, liveClaims: workload.liveClaims });
    rows.pragma("journal_mode = WAL");
    rows.exec("CREATE TABLE entry (seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL)");
    const insert = rows.prepare("INSERT INTO entry VALUES (?, ?)");
    for await (const some of log.read(0)) {
      rows.transaction(() => {
        for (const entry of some) insert.run(entry.seq, packEntries([entry]));
      })();
    }
    const page = rows.prepare("SELECT bytes FROM entry WHERE seq > ? ORDER BY seq LIMIT ?");
    const fold = async () => {
      // What a start does where there is no snapshot.
      if ((await recover(log)).seq !== seq) throw new Error("not all was folded");
    };
    const read = () => {
      let count = 0;
      for (let after = 0; after < seq; after += PAGE) {
        for (const { bytes } of page.all(after, PAGE) as { bytes: Uint8Array }[])
          count += unpackEntries(bytes).length;
      }
      if (count !== seq) throw new Error("not all was read");
    };
    const values = await inTurns(
      { fold: async () => seq / (await seconds(fold)), read: async () => seq / (await seconds(read)) },
      ROUNDS,
    );
    const name = `fold ${seq.toLocaleString("en-US")} entries`;
    print(compared("replay", name, "entries/s", values.fold, "reading one row an entry", values.read));
  } finally {
    rows.close();
    await log.close();
    folder.remove();
  }
}
