/**
 * The guard before edits: held files are refused, free ones claimed, for every host and path alike.
 */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { contextOf, deniedBy, withFleet } from "./hook-fleet.ts";

const S1 = "9ea8c72c-1111-4222-8333-444455556666";
const S2 = "01a1b2c3-9999-4888-8777-666655554444";

describe("an edit", () => {
  it(
    "of a file that another holds is refused with the six parts, and changes nothing",
    withFleet(async (fleet) => {
      const alice = await fleet.agent("alice");
      const files = ["src/a.ts"];
      await alice.call("claim.acquire", {
        claim: "AUTH-7",
        scope: { worktree: fleet.root, files },
        note: "refactors login",
      });
      const why = await fleet.host("claude", S1).edit("src/a.ts");
      expect(why).toMatch(
        /^src\/a\.ts is held by alice as AUTH-7 \("refactors login"\) until \d\d:\d\d:\d\d \(another 15 min\)/,
      );
      expect(why).toContain("holdfast next");
      expect(why).toContain('holdfast send alice "…"');
      expect(why).toMatch(/Nothing was changed\.$/);
      const { items } = await alice.call("claims.list", {});
      expect(items.map(({ claim }) => claim)).toEqual(["AUTH-7"]);
      expect(await fleet.host("codex", S2).edit("src/a.ts")).toContain("held by alice");
      await alice.close();
    }),
  );

  it(
    "of a free file joins the one automatic claim of the agent and worktree",
    withFleet(async (fleet) => {
      const claude = fleet.host("claude", S1);
      expect(await claude.edit("src/a.ts")).toBeUndefined();
      expect(await claude.edit("src/b.ts")).toBeUndefined();
      const looker = await fleet.agent("looker");
      const { items } = await looker.call("claims.list", {});
      expect(items).toHaveLength(1);
      expect(items[0]).toMatchObject({
        holder: claude.agent,
        scope: { worktree: fleet.root, files: ["src/a.ts", "src/b.ts"] },
        ttlMs: 600_000,
      });
      expect(await fleet.host("codex", S2).edit("src/b.ts")).toContain(`held by ${claude.agent}`);
      expect(await claude.edit("src/b.ts")).toBeUndefined();
      await looker.close();
    }),
  );
});
