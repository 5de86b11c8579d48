/**
 * Every transcript of this folder over every transport, each time with the same words.
 *
 * `npx vitest run test/scenarios/transcripts.test.ts -u` writes what is said now into the transcripts; read the
 * difference before you keep it.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { type Transport, transports } from "../../transports/index.ts";
import { type Place, play } from "./stage.ts";
import { parse } from "./transcript.ts";

const folder = fileURLToPath(new URL(".", import.meta.url));
const names = readdirSync(folder).filter((name) => name.endsWith(".txt"));
const scratch = mkdtempSync(join(tmpdir(), "holdfast-transcripts-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Where each transport is played; those that are left out say why. */
const places: { readonly [scheme: string]: (() => Omit<Place, "transport">) | string } = {
  memory: () => ({ url: "memory:" }),
  ws: () => ({ url: "ws://127.0.0.1:0" }),
  wss: "the connector is that of ws",
  http: () => ({ url: "http://127.0.0.1:0" }),
  https: "the connector is that of http",
  mqtt: () => ({ url: "mqtt://127.0.0.1:0" }),
  mqtts: "the connector is that of mqtt",
  "mqtt+client": "needs a broker of its own; the frames are those of mqtt",
  "mqtts+client": "needs a broker of its own; the frames are those of mqtt",
  ndjson: () => ({
    url: `ndjson:${mkdtempSync(join(scratch, "spool-"))}`,
    callAt: (url, agent) => `${url}?agent=${agent}`,
  }),
  stdio: "one agent to a hub: there is nobody to talk with",
};

test("every transport has its place here, or a reason", () => {
  expect(Object.keys(places)).toEqual(expect.arrayContaining(Object.keys(transports)));
  expect(names.length).toBeGreaterThanOrEqual(12);
});

for (const [scheme, load] of Object.entries(transports)) {
  const placed = places[scheme];
  if (typeof placed !== "function") continue;
  describe(`over ${scheme}:`, () => {
    test.each(names)("%s", { timeout: 60_000 }, async (name) => {
      const file = join(folder, name);
      const text = readFileSync(file, "utf8");
      const transport = (await load()) as Required<Transport>;
      // What is said in memory is the measure; only there it can be written anew.
      const isMeasure = scheme === "memory";
      const { snapshotState } = expect.getState();
      const { _updateSnapshot: mode } = snapshotState as unknown as { readonly _updateSnapshot: string };
      const updating = isMeasure && mode === "all";
      const said = await play(parse(text), { transport, ...placed() }, updating);
      if (isMeasure) await expect(said).toMatchFileSnapshot(file);
      else expect(said).toBe(readFileSync(file, "utf8"));
    });
  });
}
