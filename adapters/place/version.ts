/**
 * Which version this is.
 */
import { readFileSync } from "node:fs";

/**
 * The version of the package this file is in: two folders up in the sources, wherever it was put by the
 * build.
 */
export const version: string = find();

function find(): string {
  for (const up of ["../../package.json", "../../../package.json"]) {
    try {
      const said = JSON.parse(readFileSync(new URL(up, import.meta.url), "utf8")) as {
        name?: string;
        version?: string;
      };
      if (said.name === "holdfast" && said.version !== undefined) return said.version;
    } catch {
      // Not here.
    }
  }
  return "unknown";
}
