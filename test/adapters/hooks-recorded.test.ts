/**
 * What Claude Code and Codex really told their hooks, read into the one form. The payloads were recorded by
 * `test/hosts/record.ts`; whatever is recorded must stand in the table below.
 */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { answerOf } from "../../adapters/hooks/answer.ts";
import type { HookEvent, Host } from "../../adapters/hooks/event.ts";
import { canSay } from "../../adapters/hooks/hosts.ts";
import { normalise } from "../../adapters/hooks/normalise.ts";
import { type Answer, deniedBy, type Fleet, withFleet } from "./hook-fleet.ts";

const folder = fileURLToPath(new URL("hooks-fixtures/recorded/", import.meta.url));

/** Host and name of the file, and what it says: moment, who, where, tools. */
const TABLE = `
claude PreToolUse-Edit: before | Edit edit /repo/src/a.ts
claude PreToolUse-Write: before | Write edit /repo/src/b.ts
claude PreToolUse-Write-subagent: before | by a0000000100000000 | Write edit /repo/src/t.ts
claude PreToolUse-Write-worktree: before | in SIDE | Write edit SIDE/w.ts
claude PreToolUse-NotebookEdit: before | NotebookEdit edit /repo/n.ipynb
claude PreToolUse-Bash: before | Bash shell "sed -i s/bbb/ccc/ src/a.ts"
claude PreToolUse-Bash-folder: before | in /repo/src | Bash shell "sed -i s/ccc/ddd/ a.ts"
claude PreToolUse-Bash-heredoc: before | Bash shell "cat > src/c.ts <<'EOF'\\nc\\nEOF"
claude PreToolUse-Bash-subagent: before | by a0000000100000000 | Bash shell "echo s > src/s.ts"
claude PreToolUse-Read: before | Read other
claude PreToolUse-Agent: before | Agent other
claude PreToolUse-EnterWorktree: before | EnterWorktree other
claude PreToolUse-TaskCreate: before | TaskCreate other
claude PreToolUse-TaskUpdate: before | TaskUpdate other
claude PreToolUse-ToolSearch: before | ToolSearch other
claude PostToolUse-Edit: after | Edit edit /repo/src/a.ts
claude PostToolUse-Write: after | Write edit /repo/src/b.ts
claude PostToolUse-Write-subagent: after | by a0000000100000000 | Write edit /repo/src/t.ts
claude PostToolUse-Write-worktree: after | in SIDE | Write edit SIDE/w.ts
claude PostToolUse-NotebookEdit: after | NotebookEdit edit /repo/n.ipynb
claude PostToolUse-Bash: after | Bash shell "sed -i s/bbb/ccc/ src/a.ts"
claude PostToolUse-Bash-folder: after | in /repo/src | Bash shell "cd src"
claude PostToolUse-Bash-heredoc: after | Bash shell "cat > src/c.ts <<'EOF'\\nc\\nEOF"
claude PostToolUse-Bash-subagent: after | by a0000000100000000 | Bash shell "echo s > src/s.ts"
claude PostToolUse-Read: after | Read other
claude PostToolUse-Agent: after | Agent other
claude PostToolUse-EnterWorktree-worktree: after | in SIDE | EnterWorktree other
claude PostToolUse-TaskCreate: after | TaskCreate other
claude PostToolUse-TaskUpdate: after | TaskUpdate other
claude PostToolUse-ToolSearch: after | ToolSearch other
claude PostToolUseFailure-Bash: failed | Bash shell "false"
claude PostToolBatch-Edit-Write: batch | Edit edit /repo/src/a.ts | Write edit /repo/src/b.ts
claude PostToolBatch-Edit-unread-invalid: batch | Edit edit /repo/src/unread.ts
claude PostToolBatch-Write: batch | Write edit /repo/src/b.ts
claude PostToolBatch-Write-subagent: batch | by a0000000100000000 | Write edit /repo/src/t.ts
claude PostToolBatch-Write-worktree: batch | in SIDE | Write edit SIDE/w.ts
claude PostToolBatch-NotebookEdit: batch | NotebookEdit edit /repo/n.ipynb
claude PostToolBatch-Bash: batch | Bash shell "sed -i s/bbb/ccc/ src/a.ts"
claude PostToolBatch-Bash-denied: batch | Bash shell "sed -i s/a/b/ src/held.ts"
claude PostToolBatch-Bash-folder: batch | in /repo/src | Bash shell "cd src"
claude PostToolBatch-Bash-heredoc: batch | Bash shell "cat > src/c.ts <<'EOF'\\nc\\nEOF"
claude PostToolBatch-Bash-subagent: batch | by a0000000100000000 | Bash shell "echo s > src/s.ts"
claude PostToolBatch-Read: batch | Read other
claude PostToolBatch-Agent: batch | Agent other
claude PostToolBatch-EnterWorktree-worktree: batch | in SIDE | EnterWorktree other
claude PostToolBatch-TaskCreate: batch | TaskCreate other
claude PostToolBatch-TaskUpdate: batch | TaskUpdate other
claude PostToolBatch-ToolSearch: batch | ToolSearch other
claude SessionStart-startup: start | startup
claude SessionStart-resume: start | resume
claude SessionStart-compact: start | compact
claude SubagentStart: start | by a0000000100000000
claude UserPromptSubmit: prompt
claude Stop: stop
claude Stop-held: stop | held
claude Stop-background: stop
claude Stop-worktree: stop | in SIDE
claude SubagentStop: end | by a0000000100000000
claude SubagentStop-unnamed: end | by a0000000200000000
claude SessionEnd: end
claude SessionEnd-worktree: end | in SIDE
claude CwdChanged: nothing
claude CwdChanged-folder: nothing
claude InstructionsLoaded: nothing
claude PermissionRequest-Write: nothing
claude PreCompact: nothing
claude PostCompact: nothing
claude Setup: nothing
claude TaskCreated: nothing
claude TaskCompleted: nothing
claude UserPromptExpansion: nothing
codex PreToolUse-apply_patch: before | apply_patch edit src/a.ts
codex PreToolUse-apply_patch-many: before | apply_patch edit src/many.ts src/a.ts
codex PreToolUse-apply_patch-move: before | apply_patch edit src/a.ts src/moved.ts
codex PreToolUse-apply_patch-delete-many: before | apply_patch edit src/many.ts
codex PreToolUse-apply_patch-subagent: before | by THREAD | apply_patch edit src/t.ts
codex PreToolUse-Bash: before | Bash shell "sed -i s/ddd/eee/ src/moved.ts"
codex PreToolUse-Bash-folder: before | in /repo/src | Bash shell "sed -i s/eee/fff/ moved.ts"
codex PreToolUse-Bash-heredoc: before | Bash shell PATCH
codex PreToolUse-Bash-subagent: before | by THREAD | Bash shell "echo s > src/s.ts"
codex PreToolUse-collaborationspawn_agent: before | collaborationspawn_agent other
codex PreToolUse-collaborationwait_agent: before | collaborationwait_agent other
codex PostToolUse-apply_patch: after | apply_patch edit src/a.ts
codex PostToolUse-apply_patch-many: after | apply_patch edit src/many.ts src/a.ts
codex PostToolUse-apply_patch-move: after | apply_patch edit src/a.ts src/moved.ts
codex PostToolUse-apply_patch-delete-many: after | apply_patch edit src/many.ts
codex PostToolUse-apply_patch-subagent: after | by THREAD | apply_patch edit src/t.ts
codex PostToolUse-Bash: after | Bash shell "sed -i s/ddd/eee/ src/moved.ts"
codex PostToolUse-Bash-folder: after | in /repo/src | Bash shell "sed -i s/eee/fff/ moved.ts"
codex PostToolUse-Bash-subagent: after | by THREAD | Bash shell "echo s > src/s.ts"
codex PostToolUse-collaborationspawn_agent: after | collaborationspawn_agent other
codex PostToolUse-collaborationwait_agent: after | collaborationwait_agent other
codex SessionStart-startup: start | startup
codex SessionStart-resume: start | resume
codex SubagentStart: start | by THREAD
codex UserPromptSubmit: prompt
codex Stop: stop
codex Stop-held: stop | held
codex SubagentStop: end | by THREAD
codex SessionEnd: end
`
  .replaceAll("SIDE", "/repo/.claude/worktrees/side")
  .replaceAll("THREAD", "00000007-0000-4000-8000-000000000000")
  .replace(
    "PATCH",
    "\"apply_patch <<'EOF'\\n*** Begin Patch\\n*** Update File: src/moved.ts\\n@@\\n-fff\\n+ggg\\n*** End Patch\\nEOF\\n\"",
  );

const expected = new Map(
  TABLE.trim()
    .split("\n")
    .map((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)] as const),
);

interface Recorded {
  readonly name: string;
  readonly host: Host;
  readonly payload: { readonly [field: string]: unknown };
}

const recorded = readdirSync(folder).flatMap((version) =>
  readdirSync(`${folder}${version}`).map((file): Recorded => {
    const host = version.split("-")[0] as Host;
    const payload = JSON.parse(readFileSync(`${folder}${version}/${file}`, "utf8"));
    return { name: `${host} ${file.replace(".json", "")}`, host, payload };
  }),
);

/** An event as a line of the table. */
function lineOf(event: HookEvent | undefined): string {
  if (event === undefined) return "nothing";
  const { moment, isHeld, subagent, cwd, source, tools } = event;
  return [
    moment,
    ...(isHeld ? ["held"] : []),
    ...(subagent === undefined ? [] : [`by ${subagent}`]),
    ...(cwd === "/repo" ? [] : [`in ${cwd}`]),
    ...(source === undefined ? [] : [source]),
    ...tools.map(({ name, kind, paths, command }) =>
      [name, kind, ...paths, ...(command === undefined ? [] : [JSON.stringify(command)])].join(" "),
    ),
  ].join(" | ");
}

describe("what hosts were recorded to tell", () => {
  it("stands in the table, all of it", () => {
    expect(recorded.map(({ name }) => name).sort()).toEqual([...expected.keys()].sort());
  });

  it.each(recorded)("$name is read as it was meant", ({ name, host, payload }) => {
    expect(lineOf(normalise(host, payload))).toBe(expected.get(name));
  });

  it("keeps its session, its name and the id of its use", () => {
    for (const { host, payload } of recorded) {
      const event = normalise(host, payload);
      if (event === undefined) continue;
      const { session_id, hook_event_name, tool_use_id } = payload;
      expect([event.session, event.event]).toEqual([session_id, hook_event_name]);
      if (tool_use_id !== undefined) expect(event.tools[0]?.id).toBe(tool_use_id);
    }
  });

  it("tells of print mode only in the environment of a command", () => {
    const env = { CLAUDE_CODE_ENTRYPOINT: "sdk-cli", CLAUDE_CODE_SESSION_ATTENDED: "0" };
    for (const { host, payload } of recorded) {
      const event = normalise(host, payload);
      if (event === undefined) continue;
      expect(event.isPrint).toBe(false);
      expect(normalise(host, payload, env)?.isPrint).toBe(host === "claude");
    }
  });

  it("is answered by whatever can be said there, in the host's own form", () => {
    for (const { host, payload, name } of recorded) {
      const event = normalise(host, payload);
      if (event === undefined) continue;
      for (const part of ["deny", "context", "hold", "warning"] as const) {
        if (!canSay(event, part)) continue;
        const { stdout, exitCode } = answerOf(event, { [part]: "said" });
        expect([name, part, exitCode]).toEqual([name, part, 0]);
        const said = JSON.parse(stdout) as { hookSpecificOutput?: { hookEventName?: string } };
        expect(JSON.stringify(said)).toContain("said");
        if (said.hookSpecificOutput !== undefined) {
          expect(said.hookSpecificOutput.hookEventName).toBe(payload.hook_event_name);
        }
      }
    }
  });
});

/** What each recorded use of a tool was about to write; the others write nothing. */
const WRITES: { readonly [name: string]: readonly string[] } = {
  "claude PreToolUse-Edit": ["src/a.ts"],
  "claude PreToolUse-Write": ["src/b.ts"],
  "claude PreToolUse-Write-subagent": ["src/t.ts"],
  "claude PreToolUse-Write-worktree": [".claude/worktrees/side/w.ts"],
  "claude PreToolUse-NotebookEdit": ["n.ipynb"],
  "claude PreToolUse-Bash": ["src/a.ts"],
  "claude PreToolUse-Bash-folder": ["src/a.ts"],
  "claude PreToolUse-Bash-heredoc": ["src/c.ts"],
  "claude PreToolUse-Bash-subagent": ["src/s.ts"],
  "codex PreToolUse-apply_patch": ["src/a.ts"],
  "codex PreToolUse-apply_patch-many": ["src/many.ts", "src/a.ts"],
  "codex PreToolUse-apply_patch-move": ["src/a.ts", "src/moved.ts"],
  "codex PreToolUse-apply_patch-delete-many": ["src/many.ts"],
  "codex PreToolUse-apply_patch-subagent": ["src/t.ts"],
  "codex PreToolUse-Bash": ["src/moved.ts"],
  "codex PreToolUse-Bash-folder": ["src/moved.ts"],
  "codex PreToolUse-Bash-heredoc": ["src/moved.ts"],
  "codex PreToolUse-Bash-subagent": ["src/s.ts"],
};

describe("what hosts were recorded to ask leave for", () => {
  const asked = recorded.filter(({ payload }) => payload.hook_event_name === "PreToolUse");
  const replay = (fleet: Fleet, { host, payload }: Recorded, id: string): Promise<Answer> => {
    const text = JSON.stringify({ ...payload, tool_use_id: id });
    return fleet.post(host, text.replaceAll('"/repo', `"${fleet.root}`));
  };

  it(
    "is refused for each file that another holds, and claims each file that is free",
    withFleet(async (fleet) => {
      // What stands below src is there, as it was when it was recorded.
      for (const file of ["src/moved.ts", "src/many.ts", "n.ipynb"]) fleet.file(file);
      const bob = await fleet.agent("bob");
      const release = async (holder: string) => {
        for (const { claim, epoch } of (await bob.call("claims.list", { holder })).items) {
          const by = holder === "bob" ? bob : await fleet.agent(holder);
          await by.call("claim.release", { claim, epoch, outcome: "done" });
          if (by !== bob) await by.close();
        }
      };
      for (const one of asked) {
        const writes = WRITES[one.name] ?? [];
        for (const file of writes) {
          const scope = { worktree: fleet.root, files: [file] };
          await bob.call("claim.acquire", { claim: "AUTH", scope, ttlMs: 600_000, note: "rewriting it" });
          const reason = deniedBy(await replay(fleet, one, `${one.name} ${file}`));
          expect(reason, one.name).toMatch(
            / held by bob as AUTH \("rewriting it"\) until .*Nothing was changed\./,
          );
          expect(reason, one.name).toContain(file);
          await release("bob");
        }
        expect(deniedBy(await replay(fleet, one, `${one.name} free`)), one.name).toBeUndefined();
        const { items } = await bob.call("claims.list", {});
        const claimed = items.flatMap(({ scope }) => scope?.files ?? []);
        expect([one.name, ...claimed].sort()).toEqual([one.name, ...writes].sort());
        for (const holder of new Set(items.map((claim) => claim.holder))) await release(holder);
      }
      await bob.close();
    }),
  );

  it("knows every tool that writes", () => {
    const names = new Set(asked.map(({ name }) => name));
    expect(Object.keys(WRITES).filter((name) => !names.has(name))).toEqual([]);
  });
});
