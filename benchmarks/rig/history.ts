/**
 * A long history: the mixed workload decided by a sequencer and appended to a log, as fast as that goes.
 */
import { sha256 } from "../../adapters/node/hash.ts";
import { emptyFold, type Fold } from "../../core/engine/fold.ts";
import { Sequencer } from "../../core/engine/sequencer.ts";
import { writeSnapshot } from "../../core/engine/snapshot.ts";
import type { Command } from "../../core/index.ts";
import type { EventLog } from "../../core/ports/event-log.ts";
import { agentsFor, Mixed } from "../workload.ts";

/** Commands that are decided together. */
const TOGETHER = 128;

/**
 * Appends to a new log until it has so many entries; resolves with the fold of all of it. With `snapshotAt` a snapshot
 * is written there.
 */
export async function writeHistory(
  log: EventLog,
  {
    entries,
    liveClaims,
    snapshotAt,
  }: { readonly entries: number; readonly liveClaims: number; readonly snapshotAt?: number },
): Promise<Fold> {
  const mixed = new Mixed(1, undefined, liveClaims);
  const sequencer = new Sequencer({ fold: emptyFold, hub: "bench", hash: sha256, repeat: () => {} });
  const own = (agent: string, command: Command) =>
    sequencer.propose({ agent, id: "", digest: "", operator: true, command, settle: () => {} });
  let nowMs = 0;
  const append = async () => {
    nowMs += 1;
    for (;;) {
      const ready = sequencer.ready(nowMs, Date.now());
      if (ready === undefined) return;
      if (ready.entries.length > 0) await log.append(ready.entries, ready.after);
      sequencer.committed();
      for (const entry of ready.entries) mixed.learn(entry.events);
    }
  };
  own("hub", { type: "log.create", log: "bench", settings: {} });
  await append();
  for (let agent = 0; agent < agentsFor(liveClaims); agent++) own(`agent-${agent}`, { type: "agent.join" });
  let snapshotted = snapshotAt === undefined;
  for (let sent = 0; sequencer.fold.seq < entries; ) {
    for (let i = 0; i < TOGETHER; i++) {
      const { agent, command } = mixed.step();
      const id = `s${sent++}`;
      sequencer.propose({ agent, id, digest: "0123456789a", command, operator: false, settle: () => {} });
    }
    await append();
    if (snapshotted || sequencer.fold.seq < (snapshotAt ?? 0)) continue;
    snapshotted = true;
    await writeSnapshot(log.snapshots, sequencer.fold, async () => {});
  }
  return sequencer.fold;
}
