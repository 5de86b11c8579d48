/**
 * Activity: what agents say they do, path by path.
 *
 * Invariant: the state keeps the newest `settings.activitiesMax`; paths are in canonical spelling.
 */
import { limits } from "../limits.ts";
import { canonical } from "./acquire.ts";
import { cursorSeq, type Page, page, paging } from "./page.ts";
import { SeqMap } from "./seq-map.ts";
import { bytes, doc, integer, type Of, optional, string, type Typed } from "./shape.ts";
import { accept, changed, command, event, query, type Rejection, type Slice } from "./slice.ts";

const id = string("id", limits.idMax);
const path = string("path", limits.pathMax);
const logged = {
  agent: id,
  kind: doc("A word of your own, such as `edit`, `test` or `read`.", id),
  text: bytes("text", limits.activityBytesMax),
  path: optional(doc("The file it was about, relative to the worktree's root.", path)),
} as const;

/** One thing done. */
export interface Activity extends Of<{ kind: "object"; fields: typeof logged }> {
  readonly atMs: number;
}

export interface ActivityState {
  readonly bySeq: SeqMap<Activity>;
}

export const activityCommands = {
  "activity.log": command("Says what the sender has done.", {
    kind: logged.kind,
    text: logged.text,
    path: logged.path,
  }),
} as const;
export type ActivityCommand = Typed<typeof activityCommands>;

export const activityEvents = {
  "activity.logged": event("An agent said what it has done.", logged),
} as const;
export type ActivityEvent = Typed<typeof activityEvents>;

export const activity: Slice<ActivityState, ActivityCommand, ActivityEvent> = {
  initial: { bySeq: SeqMap.empty() },
  decide: {
    "activity.log": (_, { kind, text, path }, { agent }) => {
      if (path === undefined) return accept({ type: "activity.logged", agent, kind, text });
      const asked = canonical({ files: [path] });
      if ("rejection" in asked) return asked;
      return accept({ type: "activity.logged", agent, kind, text, path: asked.scope.files?.[0] ?? path });
    },
  },
  evolve: {
    "activity.logged": (slice, { type: _, ...said }, { seq, atMs, settings, edit }) => {
      let bySeq = slice.bySeq.set(seq, changed(said, { atMs }), edit);
      for (
        let oldest = bySeq.first();
        bySeq.size > settings.activitiesMax && oldest;
        oldest = bySeq.first()
      ) {
        bySeq = bySeq.delete(oldest[0], edit);
      }
      return { bySeq };
    },
  },
  save: function* (slice) {
    for (const [seq, said] of slice.bySeq) yield ["activity", seq, said];
  },
  load: (rows) => {
    const kept: [number, Activity][] = [];
    for (const [, seq, said] of rows) kept.push([seq as number, said as Activity]);
    return { bySeq: SeqMap.from(kept) };
  },
};

/** An activity as it is listed. */
export interface ActivityView extends Activity {
  readonly seq: number;
}

export const activityQueries = {
  "activity.list": query(
    "What agents said they did, newest first. Times are log time.",
    {
      ...paging,
      path: optional(doc("A file, or a folder with all below it.", path)),
      agent: optional(id),
      kind: optional(id),
      sinceMs: optional(integer(0)),
      untilMs: optional(integer(0)),
    },
    (state, params): Page<ActivityView> | { readonly rejection: Rejection } => {
      const asked = params.path === undefined ? undefined : folderOf(params.path);
      if (asked !== undefined && "rejection" in asked) return asked;
      const { agent, kind, sinceMs = 0, untilMs = Number.MAX_SAFE_INTEGER } = params;
      const rows = state.activity.bySeq.downFrom(cursorSeq(params, Number.MAX_SAFE_INTEGER));
      return page(since(rows, sinceMs), params, (said, seq) => {
        if (said.atMs > untilMs) return undefined;
        if (agent !== undefined && agent !== said.agent) return undefined;
        if (kind !== undefined && kind !== said.kind) return undefined;
        if (asked !== undefined && !isWithin(said.path, asked.folder)) return undefined;
        return { seq, ...said };
      });
    },
  ),
} as const;

/** Log time never decreases, so what is older than `sinceMs` ends the list. */
function* since(rows: Iterable<[number, Activity]>, sinceMs: number): IterableIterator<[number, Activity]> {
  for (const row of rows) {
    if (row[1].atMs < sinceMs) return;
    yield row;
  }
}

/** The canonical spelling of a file or folder; the root is everything. */
function folderOf(path: string) {
  if (path === "." || path === "./") return { folder: "" };
  const asked = canonical({ files: [path] });
  return "rejection" in asked ? asked : { folder: asked.scope.files?.[0] ?? path };
}

function isWithin(path: string | undefined, folder: string): boolean {
  if (path === undefined) return false;
  return folder === "" || path === folder || path.startsWith(`${folder}/`);
}
