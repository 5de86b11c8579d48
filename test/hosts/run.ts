/**
 * Shows with the real programs that Holdfast holds inside them: `npm run test:hosts [-- WORDS]`, where only what
 * has these words in its title is run. Prints a table; exit code 1 when anything was not as it should be.
 */
import { claudeScenarios } from "./claude-scenarios.ts";
import { codexScenarios } from "./codex-scenarios.ts";
import { installHosts, VERSIONS } from "./install.ts";
import { killHosts } from "./run-host.ts";
import { FILES, type Scenario } from "./scenario.ts";
import { Stage } from "./stage.ts";

/** A scenario takes a few seconds; what takes so long hangs. */
const SCENARIO_MS = 120_000;
const SEEN_MAX = 1500;

interface Shown {
  readonly shows: string;
  readonly isShown: boolean;
  readonly seen: string;
  readonly seconds: number;
}

const wanted = process.argv.slice(2).join(" ").toLowerCase();
const scenarios = [...claudeScenarios, ...codexScenarios].filter(({ shows }) =>
  shows.toLowerCase().includes(wanted),
);
const hosts = installHosts(console.error);
let onStage: Stage | undefined;
let isOver = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    isOver = true;
    const struck = onStage?.strike() ?? Promise.resolve();
    killHosts();
    void struck.finally(() => process.exit(1));
  });
}
const results: Shown[] = [];
for (const scenario of scenarios) {
  if (isOver) break;
  const result = await show(scenario);
  results.push(result);
  const { isShown, shows, seen, seconds } = result;
  console.log(`${isShown ? "ok  " : "FAIL"} ${seconds.toFixed(1).padStart(5)} s  ${shows}\n        ${seen}`);
}
const failed = results.filter(({ isShown }) => !isShown).length;
const versions = `Claude Code ${VERSIONS.claude}, Codex ${VERSIONS.codex}`;
console.log(`\n${results.length - failed} of ${results.length} shown with ${versions}.`);
// What a hung scenario left open must not keep the run from ending.
process.exit(failed === 0 && results.length > 0 ? 0 : 1);

async function show({ shows, files, run }: Scenario): Promise<Shown> {
  const startedMs = performance.now();
  const stage = new Stage(hosts);
  onStage = stage;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("it took too long")), SCENARIO_MS);
  });
  const work = async (): Promise<string> => {
    await stage.set({ ...FILES, ...files });
    return run(stage);
  };
  const seconds = (): number => (performance.now() - startedMs) / 1000;
  try {
    const seen = await Promise.race([work(), late]);
    return { shows, isShown: true, seen, seconds: seconds() };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const seen = why.length > SEEN_MAX ? `${why.slice(0, SEEN_MAX)} …` : why;
    return { shows, isShown: false, seen, seconds: seconds() };
  } finally {
    clearTimeout(timer);
    const struck = stage.strike();
    killHosts();
    await struck;
  }
}
