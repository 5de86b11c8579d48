/**
 * A process of its own on a log whose disk may fail at any call: submits commands through a real engine and says, line
 * by line, what it was told. `LOG`.
 */
import { writeSync } from "node:fs";
import { openEngineOnLog } from "../../adapters/node/engine.ts";
import { Failure } from "../../core/failures.ts";

const ROUNDS = 3;
const TOGETHER = 4;
/** How long an answer may take: a broken disk is asked again every second. */
const PATIENCE_MS = 2600;

const log = process.argv[2] as string;
const say = (said: object): void => {
  writeSync(1, `${JSON.stringify(said)}\n`);
};
const failureOf = (error: unknown): object =>
  error instanceof Failure
    ? { code: error.code, definite: error.definite }
    : { fault: error instanceof Error ? (error.stack ?? error.message) : String(error) };

async function main(): Promise<void> {
  const { engine, close } = await openEngineOnLog({
    log,
    report: (what, error) => say({ report: what, ...failureOf(error) }),
  });
  const submit = async (id: string): Promise<void> => {
    const claim = `c-${id}`;
    const command = { type: "claim.acquire", claim, note: "n".repeat(700), ttlMs: 86_400_000 } as const;
    for (let attempt = 0; attempt < 3; attempt++) {
      try {
        const outcome = await engine.submit({ id, agent: "ann", command });
        return say(outcome.ok ? { id, seq: outcome.seq } : { id, rejection: outcome.rejection.code });
      } catch (error) {
        say({ id, ...failureOf(error) });
        await new Promise((resolve) => setTimeout(resolve, 400));
      }
    }
  };
  for (let round = 0; round < ROUNDS; round++) {
    await Promise.all(Array.from({ length: TOGETHER }, (_, i) => submit(`r${round}-${i}`)));
    if (round === 1) {
      // Snapshots are written and entries dropped beside what goes on.
      await engine
        .own({ type: "log.compact", keepMs: 0 })
        .catch((error: unknown) => say({ compact: true, ...failureOf(error) }));
    }
  }
  await close();
  say({ closed: true });
}

// Whatever is still unanswered stays so.
const late = setTimeout(() => {
  say({ late: true });
  process.exit(3);
}, PATIENCE_MS);
main().then(
  () => clearTimeout(late),
  (error: unknown) => {
    say({ open: true, ...failureOf(error) });
    process.exit(1);
  },
);
