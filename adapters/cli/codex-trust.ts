/**
 * Whether Codex trusts the hooks of a repository. It passes over those it does not trust without a word, so
 * Codex itself is asked, through its app-server.
 */
import { spawn } from "node:child_process";
import { limits } from "../../core/limits.ts";
import { type Check, reasonOf } from "./check.ts";
import { findProgram } from "./setup-terms.ts";

const CHECK = "trust codex";
const TRUST = "start codex in this folder, type /hooks and trust those of holdfast";

/** One hook, as Codex tells of it. */
interface ListedHook {
  readonly key?: string;
  readonly source?: string;
  readonly trustStatus: string;
}

/** Asks the Codex that is installed. */
export async function checkCodexTrust(root: string, env: NodeJS.ProcessEnv): Promise<Check> {
  const program = findProgram("codex", env, false);
  if (program === undefined) {
    return {
      check: CHECK,
      status: "unknown",
      said: "Codex is not installed here; where it is, it runs no hook before it was trusted",
      todo: TRUST,
    };
  }
  try {
    const hooks = ours(await listHooks(program, root, env));
    if (hooks.length === 0) {
      const said = "Codex lists none of the hooks in .codex/hooks.json: it does not trust this folder";
      return {
        check: CHECK,
        status: "broken",
        said,
        todo: `${TRUST}; say yes when it asks about the folder`,
      };
    }
    const untrusted = hooks.filter(
      ({ trustStatus }) => trustStatus !== "trusted" && trustStatus !== "managed",
    );
    if (untrusted.length === 0) {
      return { check: CHECK, status: "ok", said: `Codex trusts all ${hooks.length} hooks` };
    }
    const how = [...new Set(untrusted.map(({ trustStatus }) => trustStatus))].join(", ");
    const said = `Codex passes over ${untrusted.length} of ${hooks.length} hooks without a word (${how})`;
    return { check: CHECK, status: "broken", said, todo: TRUST };
  } catch (error) {
    return { check: CHECK, status: "unknown", said: `Codex did not tell: ${reasonOf(error)}`, todo: TRUST };
  }
}

/** Those that stand in the project's own file. */
function ours(listed: unknown): readonly ListedHook[] {
  const found: ListedHook[] = [];
  const look = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    if ("trustStatus" in value && typeof value.trustStatus === "string") {
      const hook = value as ListedHook;
      if (/holdfast/.test(JSON.stringify(hook)) || hook.source === "project") found.push(hook);
      return;
    }
    for (const inner of Object.values(value)) look(inner);
  };
  look(listed);
  return found;
}

/** What `hooks/list` answers for a folder. */
function listHooks(program: string, root: string, env: NodeJS.ProcessEnv): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const shell = process.platform === "win32";
    const child = spawn(program, ["app-server"], {
      cwd: root,
      env,
      shell,
      stdio: ["pipe", "pipe", "ignore"],
    });
    const timer = setTimeout(() => end(new Error("it took too long")), limits.probeMs);
    const end = (error: Error | undefined, answer?: unknown): void => {
      clearTimeout(timer);
      child.kill();
      if (error === undefined) resolve(answer);
      else reject(error);
    };
    const send = (message: object): void => void child.stdin.write(`${JSON.stringify(message)}\n`);
    let text = "";
    child.stdout.on("data", (bytes: Buffer) => {
      text += bytes.toString();
      for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n")) {
        const line = text.slice(0, at);
        text = text.slice(at + 1);
        const reply = parsed(line);
        if (reply?.id === 1) {
          send({ jsonrpc: "2.0", method: "initialized" });
          send({ jsonrpc: "2.0", id: 2, method: "hooks/list", params: { cwds: [root] } });
        }
        if (reply?.id !== 1 && reply?.id !== 2) continue;
        if (reply.error !== undefined) end(new Error(reply.error.message ?? "an error"));
        else if (reply.id === 2) end(undefined, reply.result);
      }
    });
    child.stdin.on("error", () => undefined);
    child.on("error", (error) => end(error));
    child.on("exit", (code) => end(new Error(`its app-server ended with ${code}`)));
    const clientInfo = { name: "holdfast", title: "Holdfast", version: "1" };
    send({ jsonrpc: "2.0", id: 1, method: "initialize", params: { clientInfo } });
  });
}

interface Reply {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly message?: string };
}

function parsed(line: string): Reply | undefined {
  try {
    return JSON.parse(line) as Reply;
  } catch {
    return undefined;
  }
}
