/**
 * Installs the hosts from the package registry into a folder kept between runs.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The versions the hosts are driven in; `contracts` and fixtures speak of these. */
export const VERSIONS = { claude: "2.1.329", codex: "0.169.0" } as const;

/** The hosts' programs. */
export interface Hosts {
  readonly claude: string;
  readonly codex: string;
}

const PACKAGES = { claude: "@anthropic-ai/claude-code", codex: "@openai/codex" } as const;

/** Installs what is not there yet. Throws with npm's own words when it cannot be had. */
export function installHosts(report: (line: string) => void): Hosts {
  const folder = join(tmpdir(), `holdfast-hosts-${VERSIONS.claude}-${VERSIONS.codex}`);
  if (!isWhole(folder)) {
    report(`installing Claude Code ${VERSIONS.claude} and Codex ${VERSIONS.codex}`);
    // Into a folder of its own first, so that a run that is cut off leaves nothing half installed.
    const draft = mkdtempSync(`${folder}-`);
    try {
      writeFileSync(join(draft, "package.json"), '{"private":true}\n');
      const names = [`${PACKAGES.claude}@${VERSIONS.claude}`, `${PACKAGES.codex}@${VERSIONS.codex}`];
      const flags = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
      const options = { cwd: draft, timeout: 300_000, stdio: "pipe" } as const;
      execFileSync("npm", ["install", ...flags, ...names], options);
      // Claude Code's own step that puts its program in place; npm may be set to run none by itself.
      execFileSync(process.execPath, [join("node_modules", PACKAGES.claude, "install.cjs")], options);
      rmSync(folder, { recursive: true, force: true });
      renameSync(draft, folder);
    } finally {
      rmSync(draft, { recursive: true, force: true });
    }
  }
  return programs(folder);
}

function isWhole(folder: string): boolean {
  return (["claude", "codex"] as const).every((host) => {
    try {
      const file = join(folder, "node_modules", PACKAGES[host], "package.json");
      const said = JSON.parse(readFileSync(file, "utf8")) as { version?: string };
      return said.version === VERSIONS[host] && existsSync(programs(folder)[host]);
    } catch {
      return false;
    }
  });
}

function programs(folder: string): Hosts {
  mkdirSync(folder, { recursive: true });
  const bin = join(folder, "node_modules", ".bin");
  return { claude: join(bin, "claude"), codex: join(bin, "codex") };
}
