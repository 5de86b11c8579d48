/**
 * What was run and what came of it, a line each, kept in RECORD.md.
 */
import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";

const file = fileURLToPath(new URL("./RECORD.md", import.meta.url));
const HEAD = `# What the torture was, and what came of it

One line a run, written by the scripts; newest last.

| when | commit | machine | what | outcome |
|---|---|---|---|---|
`;

function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { stdio: ["ignore", "pipe", "ignore"] })
      .toString()
      .trim();
  } catch {
    return "-";
  }
}

/** Prints a run's summary and adds it to the record. */
export function record(what: string, outcome: string): void {
  if (!existsSync(file)) writeFileSync(file, HEAD);
  const when = new Date().toISOString().slice(0, 16).replace("T", " ");
  const machine = `node ${process.versions.node}, ${availableParallelism()} cores`;
  appendFileSync(file, `| ${when} | ${commit()} | ${machine} | ${what} | ${outcome} |\n`);
  console.log(`${what}: ${outcome}`);
}
