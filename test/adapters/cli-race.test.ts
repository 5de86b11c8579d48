/**
 * Many command lines at once on one log, without a hub: of those that want the same file exactly one gets it.
 *
 * `HOLDFAST_RACES=200` runs the long form (`npm run test:races`).
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Sandbox } from "./command-line.ts";

const races = Number(process.env.HOLDFAST_RACES ?? 24);
const ATONCE = 2;
const SLOWEST_MS = 2000;

let box: Sandbox;
beforeAll(() => {
  box = new Sandbox();
});
afterAll(() => box.dispose());

it(
  `two of them race ${races} times for one file: exactly one wins each time`,
  async () => {
    const race = async (n: number): Promise<void> => {
      const file = `src/${n}.ts`;
      const ran = await Promise.all([
        box.run(["claim", `left-${n}`, "--paths", file, "--json"], { as: "left" }),
        box.run(["claim", `right-${n}`, "--paths", file, "--json"], { as: "right" }),
      ]);
      expect(ran.map(({ code }) => code).sort(), ran.map(({ err }) => err).join("")).toEqual([0, 2]);
      const lost = ran.find(({ code }) => code === 2);
      const won = ran.find(({ code }) => code === 0);
      expect(lost?.json).toMatchObject({
        code: "claim.overlap",
        conflicts: [{ claim: won?.json.claim, epoch: won?.json.epoch }],
      });
      // Away with it, so that the limit of claims an agent is not met.
      const winner = won?.json.holder as string;
      expect((await box.run(["release", won?.json.claim as string], { as: winner })).code).toBe(0);
    };
    const queue = Array.from({ length: races }, (_, n) => n);
    const runner = async (): Promise<void> => {
      for (let n = queue.shift(); n !== undefined; n = queue.shift()) await race(n);
    };
    await Promise.all(Array.from({ length: ATONCE }, runner));

    const log = (await box.run(["log", "--after", "0", "--events", "claim.granted", "--json"])).out
      .trim()
      .split("\n");
    expect(log).toHaveLength(races);
    const epochs = log.map((line) => JSON.parse(line).events[0].epoch as number);
    expect(new Set(epochs).size).toBe(races);
    expect((await box.run(["verify"])).code).toBe(0);
    expect(readFileSync(join(box.root, ".git/holdfast/log.db")).length).toBeGreaterThan(0);
  },
  30_000 + races * SLOWEST_MS,
);
