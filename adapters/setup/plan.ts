/**
 * The plan: what putting parts in, or taking them out, would make of each file, before any is touched.
 */
import type { Outcome, Part } from "./part.ts";

/** A file as it was found. */
export interface Found {
  /** Absent: there is none. */
  readonly text?: string;
  /** Why it must not or cannot be written. */
  readonly untouchable?: string;
}

/** What is to become of one file. */
export interface Change {
  readonly path: string;
  readonly about: string;
  /** Absent: there was none. */
  readonly before?: string;
  /** Absent: it is removed. */
  readonly after?: string;
}

/** A file and what is to be said of it. */
export interface Noted {
  readonly path: string;
  readonly why: string;
}

export interface Plan {
  readonly changes: readonly Change[];
  /** Files that are as they should be. */
  readonly same: readonly string[];
  /** Files that stay as they are though they should change. */
  readonly left: readonly Noted[];
  /** Files that cannot be understood: while there is one, nothing is to be changed. */
  readonly broken: readonly Noted[];
}

/** Plans for every file. */
export function planFor(
  parts: ReadonlyMap<string, readonly Part[]>,
  find: (path: string) => Found,
  way: "put" | "strip",
): Plan {
  const changes: Change[] = [];
  const same: string[] = [];
  const left: Noted[] = [];
  const broken: Noted[] = [];
  for (const [path, here] of parts) {
    const { text: before, untouchable } = find(path);
    let after = before;
    let isSound = true;
    for (const part of here) {
      const outcome = outcomeOf(part, after, way);
      if (outcome.kind === "text") after = outcome.text;
      else if (outcome.kind === "gone") after = undefined;
      else {
        (outcome.kind === "left" ? left : broken).push({ path, why: outcome.why });
        isSound = false;
        break;
      }
    }
    if (!isSound) continue;
    if (after === before) {
      if (before !== undefined) same.push(path);
    } else if (untouchable !== undefined) left.push({ path, why: untouchable });
    else {
      const about = [...new Set(here.map((part) => part.about))].join(", ");
      changes.push({
        path,
        about,
        ...(before === undefined ? {} : { before }),
        ...(after === undefined ? {} : { after }),
      });
    }
  }
  return { changes, same, left, broken };
}

function outcomeOf(part: Part, text: string | undefined, way: "put" | "strip"): Outcome {
  if (way === "put") return part.put(text);
  return text === undefined ? { kind: "gone" } : part.strip(text);
}
