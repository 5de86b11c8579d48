/**
 * `hooks`: what a decision before an edit costs a coding agent, with 100,000 live claims: over HTTP, and by the
 * command hook against `node -e 0`. NODE_EXTRA_CA_CERTS is unset, which alone would add 38 ms to every start.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { connect } from "../adapters/node/index.ts";
import { writeHubFile } from "../adapters/place/hub-file.ts";
import { findRepository } from "../adapters/place/repository.ts";
import { alone, compared, inTurns, percentile, print } from "./measure.ts";
import { Child } from "./rig/child.ts";
import { folderOnDisk, root } from "./rig/disk.ts";
import type { Options } from "./run.ts";

const CLAIMS = 100_000;
const ROUNDS = 9;
/** Decisions a round over HTTP, and processes a round by command. */
const ASKED = 500;
const STARTED = 12;
const HELD = "src/held.ts";

/** What a decision is about: a file that another holds, one's own, or a new one each time. */
type Kind = "held" | "own" | "free";

export async function run({ scale }: Options): Promise<void> {
  const program = join(root, "dist/bin/holdfast-hook.js");
  if (!existsSync(program))
    throw new Error("there is no dist/bin/holdfast-hook.js: run `npm run build` first");
  const folder = folderOnDisk();
  mkdirSync(join(folder.path, ".git/holdfast"), { recursive: true });
  writeFileSync(join(folder.path, ".git/HEAD"), "ref: refs/heads/main\n");
  const repository = findRepository(folder.path);
  const hub = Child.start("hub", [`sqlite:${join(repository.folder, "log.db")}`]);
  try {
    const url = await hub.ask<string>("url");
    const claims = Math.round(CLAIMS * Math.min(1, scale));
    await hub.ask("fill", claims);
    const other = await connect(url, { agent: "other" });
    const scope = { worktree: repository.root, files: [HELD] };
    await other.call("claim.acquire", { claim: "held", scope, ttlMs: 86_400_000 });
    await overHttp(url, repository.root, scale, claims);
    writeHubFile(repository.folder, { pid: process.pid, hub: "bench", log: "bench", urls: [url] });
    await byCommand(program, repository.root, scale);
    await other.close();
  } finally {
    await hub.stop();
    folder.remove();
  }
}

let asked = 0;

function bodyOf(worktree: string, kind: Kind): string {
  asked += 1;
  const file = kind === "held" ? HELD : kind === "own" ? "src/own.ts" : `free/f${asked}.ts`;
  return JSON.stringify({
    session_id: "9ea8c72c-0000-4000-8000-000000000000",
    transcript_path: "/tmp/transcript.jsonl",
    cwd: worktree,
    permission_mode: "default",
    hook_event_name: "PreToolUse",
    tool_name: "Edit",
    tool_input: { file_path: join(worktree, file), old_string: "a".repeat(200), new_string: "b".repeat(300) },
    tool_use_id: `toolu_${asked}`,
  });
}

async function overHttp(url: string, worktree: string, scale: number, claims: number): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  const { port } = new URL(url);
  const post = (body: string) =>
    new Promise<string>((resolve, reject) => {
      const sent = request(
        { port, host: "127.0.0.1", agent, method: "POST", path: "/hooks/claude" },
        (told) => {
          let text = "";
          told.on("data", (bytes: Buffer) => {
            text += bytes.toString();
          });
          told.on("end", () => resolve(text));
        },
      );
      sent.on("error", reject);
      sent.end(body);
    });
  const tails: { [kind in Kind]: number[] } = { held: [], own: [], free: [] };
  const decide = async (kind: Kind) => {
    const tookMs: number[] = [];
    for (let i = 0; i < Math.ceil(ASKED * scale); i++) {
      const body = bodyOf(worktree, kind);
      const startMs = performance.now();
      const said = await post(body);
      tookMs.push(performance.now() - startMs);
      if (said.includes('"deny"') !== (kind === "held")) throw new Error(`${kind}: ${said}`);
    }
    tails[kind].push(percentile(tookMs, 0.99));
    return percentile(tookMs, 0.5);
  };
  const p50 = await inTurns(
    { held: () => decide("held"), own: () => decide("own"), free: () => decide("free") },
    ROUNDS,
  );
  for (const kind of ["held", "own", "free"] as const) {
    const name = `over HTTP, ${kind} file, ${claims.toLocaleString("en-US")} claims`;
    print(alone("hooks", `${name}, p50`, "ms", p50[kind]));
    print(alone("hooks", `${name}, p99`, "ms", tails[kind].slice(1)));
  }
  agent.destroy();
}

async function byCommand(program: string, worktree: string, scale: number): Promise<void> {
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
  const all: { [name: string]: number[] } = {};
  const started = (name: string, args: readonly string[], input: () => string, denies: boolean) => () => {
    const tookMs: number[] = [];
    for (let i = 0; i < Math.ceil(STARTED * scale); i++) {
      const given = input();
      const startMs = performance.now();
      const { status, stdout } = spawnSync(process.execPath, args, { cwd: worktree, env, input: given });
      tookMs.push(performance.now() - startMs);
      if (status !== 0 || stdout.includes('"deny"') !== denies)
        throw new Error(`${name}: ${status} ${stdout}`);
    }
    all[name] = [...(all[name] ?? []), ...tookMs];
    return percentile(tookMs, 0.5);
  };
  const verb = [join(root, "dist/bin/holdfast.js"), "hook", "claude"];
  const values = await inTurns(
    {
      node: started("node", ["-e", "0"], () => "", false),
      start: started("start", [program, "claude"], () => "", false),
      held: started("held", [program, "claude"], () => bodyOf(worktree, "held"), true),
      own: started("own", [program, "claude"], () => bodyOf(worktree, "own"), false),
      verb: started("verb", verb, () => bodyOf(worktree, "held"), true),
    },
    ROUNDS,
  );
  const named = {
    start: "by command, its start alone",
    held: "by command, held file",
    own: "by command, own file",
    verb: "by `holdfast hook`, held file",
  } as const;
  for (const key of ["start", "held", "own", "verb"] as const) {
    print(compared("hooks", `${named[key]}, p50`, "ms", values[key], "node -e 0", values.node));
    const tail = [percentile(all[key] ?? [], 0.99)];
    print(
      compared("hooks", `${named[key]}, p99`, "ms", tail, "node -e 0", [percentile(all.node ?? [], 0.99)]),
    );
  }
}
