/**
 * How the tests are run: few processes, for many tests start hubs of their own; patient, for machines are busy.
 */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    globalSetup: ["test/bundled.ts"],
  },
});
