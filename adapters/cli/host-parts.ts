/**
 * What belongs into the files of one place: that of its hosts, as the place is.
 */
import { realpathSync } from "node:fs";
import { join } from "node:path";
import type { HostSetup, Terms } from "../setup/host.ts";
import { partsFor } from "../setup/hosts.ts";
import { ownFile, type Part } from "../setup/part.ts";
import type { Place } from "./reach.ts";

/** Files that import AGENTS.md; where they are links to it, or it to them, they have it already. */
const IMPORTERS = ["CLAUDE.md", "GEMINI.md"] as const;

/** Everything that stands in files for these hosts in this place. */
export function partsHere(
  { repository }: Place,
  chosen: readonly HostSetup[],
  terms: Terms,
): ReadonlyMap<string, readonly Part[]> {
  const parts = new Map(partsFor(chosen, terms));
  const { root, gitCommonDir } = repository;
  const told = realOf(join(root, "AGENTS.md"));
  for (const path of IMPORTERS) {
    if (told !== undefined && realOf(join(root, path)) === told) parts.delete(path);
  }
  if (gitCommonDir !== undefined) return parts;
  // Outside git the log lies in a folder of its own, which nobody should ever commit.
  const path = ".holdfast/.gitignore";
  const mark = "# written by holdfast init";
  return parts.set(path, [ownFile(path, "keeps the log out of version control", mark, `${mark}\n*\n`)]);
}

function realOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
