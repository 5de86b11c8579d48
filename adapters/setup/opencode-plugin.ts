/**
 * The plugin that OpenCode loads: it asks the hub of the repository before a tool runs, and throws to block
 * it.
 */
import type { Runner } from "./runner.ts";

/** By this line a plugin is known to be Holdfast's. */
export const openCodeMark = "// written by holdfast init";

/**
 * The plugin. It finds the hub by its file each time, so that it follows one that was started anew; where
 * none answers it asks the command, which knows what to do without one. It never stands in the way by
 * failing.
 */
export function openCodePlugin(runner: Runner): string {
  const [program = "", ...words] = runner.split(" ");
  return `${openCodeMark}
import { spawn } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const PATIENCE_MS = 5000;

/** The folder of the log that all worktrees of a repository share. */
function folderOf(start) {
  for (let at = resolve(start); ; at = dirname(at)) {
    try {
      let git = join(at, ".git");
      if (!statSync(git).isDirectory()) {
        git = resolve(at, /^gitdir: (.+?)\\s*$/.exec(readFileSync(git, "utf8"))[1]);
      }
      readFileSync(join(git, "HEAD"));
      try {
        return join(resolve(git, readFileSync(join(git, "commondir"), "utf8").trim()), "holdfast");
      } catch {
        return join(git, "holdfast");
      }
    } catch {
      // No repository begins here.
    }
    if (dirname(at) === at) return join(start, ".holdfast");
  }
}

/** What the hub answers. */
async function askHub(folder, body) {
  const { urls } = JSON.parse(readFileSync(join(folder, "hub.json"), "utf8"));
  const url = urls.find((one) => /^(ws|http):/.test(one)).replace(/^ws:/, "http:").replace(/\\/$/, "");
  const headers = { "content-type": "application/json" };
  if (process.env.HOLDFAST_TOKEN) headers.authorization = "Bearer " + process.env.HOLDFAST_TOKEN;
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const answer = await fetch(url + "/hooks/opencode", { method: "POST", headers, body, signal });
  if (!answer.ok) throw new Error("the hub answered " + answer.status);
  return (await answer.text()) || "{}";
}

/** What a command of holdfast answers. */
function run(cwd, body, ...verb) {
  return new Promise((done) => {
    const shell = process.platform === "win32";
    const words = [...${JSON.stringify(words)}, ...verb];
    const child = spawn(${JSON.stringify(program)}, words, { cwd, shell, timeout: 4 * PATIENCE_MS });
    let out = "";
    child.stdout.on("data", (bytes) => (out += bytes));
    child.stdin.on("error", () => {});
    child.on("error", () => done("{}"));
    child.on("close", () => done(out || "{}"));
    child.stdin.end(body);
  });
}

export const Holdfast = async ({ client, directory, worktree }) => {
  const folder = folderOf(worktree || directory);
  const held = new Set();
  await run(directory, "", "ensure", "--quiet");
  const ask = async (event, told) => {
    const body = JSON.stringify({ event, directory, ...told });
    try {
      return JSON.parse(await askHub(folder, body).catch(() => run(directory, body, "hook", "opencode")));
    } catch {
      return {};
    }
  };
  return {
    "tool.execute.before": async (input, output) => {
      const { deny } = await ask("tool.execute.before", { input, output: { args: output.args } });
      if (deny) throw new Error(deny);
    },
    "tool.execute.after": async (input, output) => {
      const { context } = await ask("tool.execute.after", { input });
      if (context && output) output.output = (output.output ?? "") + "\\n\\n" + context;
    },
    "chat.message": async (input, output) => {
      held.delete(input.sessionID);
      const { context } = await ask("chat.message", { input });
      const text = output?.parts?.find((part) => part.type === "text" && !part.synthetic);
      if (context && text) text.text += "\\n\\n" + context;
    },
    event: async ({ event: { type, properties } }) => {
      if (type === "session.created" || type === "session.deleted") await ask(type, { properties });
      if (type !== "session.idle") return;
      const id = properties.sessionID;
      const { hold } = await ask(type, { properties, stop_hook_active: held.has(id) });
      if (!hold || held.has(id)) return;
      held.add(id);
      await client?.session?.prompt({ path: { id }, body: { parts: [{ type: "text", text: hold }] } });
    },
  };
};
`;
}
