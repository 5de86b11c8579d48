/**
 * `decide`: decide and evolve of the mixed workload, receipts and expiry included, without log or transport.
 */
import { createHash } from "node:crypto";
import { emptyFold } from "../core/engine/fold.ts";
import { Sequencer } from "../core/engine/sequencer.ts";
import { tables } from "../core/index.ts";
import { alone, print, seconds } from "./measure.ts";
import type { Options } from "./run.ts";
import { Mixed, workload } from "./workload.ts";

export async function run({ scale }: Options): Promise<void> {
  const values: number[] = [];
  const cpu: number[] = [];
  let refused = 0;
  const count = Math.round(200_000 * scale);
  for (let round = 0; round < 5; round++) {
    const kinds = Object.keys(workload.shares).filter((kind) => Object.hasOwn(tables.commands, kind));
    const mixed = new Mixed(round + 1, kinds);
    const hash = (text: string) => createHash("sha256").update(text).digest("hex");
    const sequencer = new Sequencer({ fold: emptyFold, hub: "bench", hash, repeat: () => {} });
    let nowMs = 0;
    const join = (agent: string) =>
      sequencer.propose({
        agent,
        id: "",
        digest: "",
        operator: false,
        command: { type: "agent.join" },
        settle: () => {},
      });
    for (let i = 0; i < workload.agents; i++) join(`agent-${i}`);
    const work = async (commands: number) => {
      for (let i = 0; i < commands; ) {
        for (let j = 0; j < 128; j++, i++) {
          const { agent, command } = mixed.step();
          sequencer.propose({
            agent,
            id: `s${nowMs}-${j}`,
            digest: "0123456789a",
            command,
            operator: false,
            settle: (outcome) => {
              if (!("ok" in outcome) || !outcome.ok) refused += 1;
            },
          });
        }
        nowMs += 1;
        // A hub comes back to its event loop after each batch; what is weakly held is only let go there.
        await new Promise<void>((resolve) => setImmediate(resolve));
        for (;;) {
          const ready = sequencer.ready(nowMs, nowMs);
          if (ready === undefined) break;
          sequencer.committed();
          for (const entry of ready.entries) mixed.learn(entry.events);
        }
      }
    };
    await work(20_000);
    const before = process.cpuUsage();
    const took = await seconds(() => work(count));
    const { user, system } = process.cpuUsage(before);
    values.push(count / took);
    cpu.push((user + system) / count);
  }
  print(alone("decide", `mixed, ${workload.liveClaims} live claims`, "commands/s", values));
  print(alone("decide", "CPU a command", "µs", cpu));
  process.stderr.write(`          refused: ${((100 * refused) / (5 * (count + 20_000))).toFixed(2)} %\n`);
}
