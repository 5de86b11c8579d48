/**
 * The feed of a hub that was told how large it may grow.
 */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { inSandbox } from "./command-line.ts";

it(
  "keeps as many files of as many bytes as it was told, and reads on across them",
  { timeout: 60_000 },
  inSandbox(async (box) => {
    const feed = join(box.folder, "feed.ndjson");
    const { url } = await box.serve("--feed", feed, "--feed-bytes", "6000", "--feed-files", "3");
    const texts = Array.from({ length: 40 }, (_, at) => `decision ${at} ${"why ".repeat(150)}`);
    const batch = texts.map((text, id) => ({
      jsonrpc: "2.0",
      id,
      method: "decision.record",
      params: { text },
    }));
    const answer = await fetch(`${url.replace("ws:", "http:")}/rpc`, {
      method: "POST",
      headers: { "holdfast-agent": "ann" },
      body: JSON.stringify(batch),
    });
    expect(answer.status).toBe(200);
    expect(await box.stop()).toEqual([0]);
    const files = readdirSync(box.folder).filter((name) => name.startsWith("feed"));
    expect(files).toHaveLength(3);
    for (const file of files) expect(statSync(join(box.folder, file)).size).toBeLessThan(7500);
    const shown = await box.run(["feed", feed]);
    expect(shown.out).toContain("decision 39 ");
    expect(shown.out).not.toContain("decision 0 ");
  }),
);
