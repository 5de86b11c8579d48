/**
 * Two clones of a repository on one machine: their hooks name the same port, and each event reaches the hub of the
 * clone it comes from.
 */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { inSandbox } from "./command-line.ts";

const session = "9ea8c72c-1111-4222-8333-444455556666";

async function edit(url: string, root: string, file: string): Promise<string> {
  const body = JSON.stringify({
    session_id: session,
    cwd: root,
    permission_mode: "default",
    hook_event_name: "PreToolUse",
    tool_name: "Write",
    tool_input: { file_path: join(root, file), content: "" },
    tool_use_id: `toolu_${file}`,
  });
  const page = `${url.replace("ws:", "http:")}/hooks/claude`;
  const headers = { "content-type": "application/json" };
  return (await fetch(page, { method: "POST", headers, body })).text();
}

describe("two clones", { timeout: 90_000 }, () => {
  it(
    "are each guarded by their own hub, whichever hub has the port",
    inSandbox((one) =>
      inSandbox(async (other) => {
        const first = await one.serve();
        // While the other has no hub, whoever is asked guards it.
        expect(await edit(first.url, other.root, "early.ts")).toBe("{}");
        await other.serve();
        await other.run(["claim", "A", "--paths", "a.ts"], { as: "bob" });
        expect(await edit(first.url, other.root, "a.ts")).toContain("held by bob");
        expect(await edit(first.url, one.root, "a.ts")).toBe("{}");
        expect(await edit(first.url, other.root, "b.ts")).toBe("{}");
        const held = async (box: typeof one) =>
          (await box.run(["claims", "--json"])).json.items.flatMap(
            ({ holder, scope }: { holder: string; scope: { files?: string[]; paths?: string[] } }) =>
              [...(scope.files ?? []), ...(scope.paths ?? [])].map((file) => `${holder} ${file}`),
          );
        expect((await held(other)).sort()).toEqual(["bob a.ts", "claude-9ea8c72c-1111 b.ts"]);
        expect((await held(one)).sort()).toEqual([
          "claude-9ea8c72c-1111 a.ts",
          "claude-9ea8c72c-1111 early.ts",
        ]);
      })(),
    ),
  );
});
