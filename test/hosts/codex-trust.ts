/**
 * What Codex itself says of the hooks of a folder, and trust given as its `/hooks` screen gives it.
 */
import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { codexEnv } from "./run-host.ts";

/** A hook as `hooks/list` shows it. */
export interface ListedHook {
  readonly key: string;
  readonly eventName: string;
  readonly currentHash: string;
  readonly trustStatus: "managed" | "untrusted" | "trusted" | "modified";
}

/** Asks Codex's app-server for the hooks of a folder. */
export async function listHooks(program: string, home: string, cwd: string): Promise<readonly ListedHook[]> {
  const child = spawn(program, ["app-server"], {
    cwd,
    env: codexEnv(home),
    stdio: ["pipe", "pipe", "ignore"],
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
  const send = (message: object): boolean => child.stdin.write(`${JSON.stringify(message)}\n`);
  try {
    send({ id: 1, method: "initialize", params: { clientInfo: { name: "test", title: "", version: "1" } } });
    for await (const line of createInterface({ input: child.stdout })) {
      const said = JSON.parse(line) as { id?: number; result?: { data?: { hooks: ListedHook[] }[] } };
      if (said.id === 1) {
        send({ method: "initialized" });
        send({ id: 2, method: "hooks/list", params: { cwds: [cwd] } });
      }
      if (said.id === 2) return said.result?.data?.flatMap(({ hooks }) => hooks) ?? [];
    }
    throw new Error("Codex's app-server ended without an answer");
  } finally {
    clearTimeout(timer);
    child.kill("SIGKILL");
  }
}

/** Trusts every hook of a folder as it stands now. Resolves with how many there are. */
export async function trustHooks(program: string, home: string, cwd: string): Promise<number> {
  const hooks = await listHooks(program, home, cwd);
  const lines = hooks.map(
    ({ key, currentHash }) =>
      `\n[hooks.state.${JSON.stringify(key)}]\ntrusted_hash = ${JSON.stringify(currentHash)}\n`,
  );
  appendFileSync(join(home, ".codex", "config.toml"), lines.join(""));
  return hooks.length;
}
