/**
 * Progress: notes of what was seen and done, on a task or on the work as a whole.
 *
 * Invariant: the state keeps the newest `settings.progressMax` notes; `byTask` holds those of them that
 * name a task, declared or not.
 */
import { limits } from "../limits.ts";
import type { Settings } from "./log.ts";
import { KeyMap } from "./map.ts";
import { cursorSeq, type Page, page, paging } from "./page.ts";
import { SeqMap } from "./seq-map.ts";
import { bytes, choice, type Of, optional, string, type Typed } from "./shape.ts";
import { type At, accept, command, event, query, type Slice } from "./slice.ts";

const id = string("id", limits.idMax);
const kind = choice("note", "blocked", "assessment", "evidence");
const said = { task: optional(id), kind, text: bytes("text", limits.progressTextBytesMax, 1) } as const;

/** A note. */
export interface Note {
  readonly by: string;
  readonly task?: string;
  readonly kind: Of<typeof kind>;
  readonly text: string;
  readonly seq: number;
  readonly atMs: number;
}

export interface ProgressState {
  /** In the order they were made, each at a place of its own. */
  readonly notes: SeqMap<Note>;
  /** The places of the notes on each task. */
  readonly byTask: KeyMap<SeqMap<true>>;
  readonly next: number;
}

export const progressCommands = {
  "progress.note": command("Notes how work goes; on a task it counts as a sign of work.", said),
} as const;
export type ProgressCommand = Typed<typeof progressCommands>;

export const progressEvents = {
  "progress.noted": event("Somebody noted how work goes.", said),
} as const;
export type ProgressEvent = Typed<typeof progressEvents>;

export const progress: Slice<ProgressState, ProgressCommand, ProgressEvent> = {
  initial: { notes: SeqMap.empty(), byTask: KeyMap.empty(), next: 0 },
  decide: {
    "progress.note": (_, { type: __, ...said }) => accept({ type: "progress.noted", ...said }),
  },
  evolve: {
    "progress.noted": (slice, { task, kind, text }, { by, seq, atMs, settings, edit }) => {
      const note: Note = { by, kind, text, seq, atMs, ...(task === undefined ? undefined : { task }) };
      const { notes, byTask, next } = slice;
      return prune(add({ notes, byTask, next: next + 1 }, next, note, edit), settings, edit);
    },
  },
  save: function* (slice) {
    for (const [place, note] of slice.notes) yield ["note", place, note];
    yield ["next", slice.next];
  },
  load: (rows) => {
    let slice = progress.initial;
    for (const [part, place, note] of rows) {
      if (part === "next") slice = { ...slice, next: place as number };
      else slice = add(slice, place as number, note as Note, undefined);
    }
    return slice;
  },
};

export const progressQueries = {
  "progress.list": query(
    "Notes, the newest first; those on one task, or all.",
    { ...paging, task: optional(id) },
    (state, params): Page<Note> => {
      const { notes, byTask } = state.progress;
      const from = cursorSeq(params, Number.MAX_SAFE_INTEGER);
      if (params.task === undefined) return page(notes.downFrom(from), params, (note) => note);
      const places = byTask.get(params.task) ?? SeqMap.empty<true>();
      return page(places.downFrom(from), params, (_, place) => notes.get(place));
    },
  ),
} as const;

function add(slice: ProgressState, place: number, note: Note, edit: At["edit"]): ProgressState {
  const notes = slice.notes.set(place, note, edit);
  const { byTask, next } = slice;
  if (note.task === undefined) return { notes, byTask, next };
  const places = (byTask.get(note.task) ?? SeqMap.empty<true>()).set(place, true, edit);
  return { notes, byTask: byTask.set(note.task, places, edit), next };
}

/** Forgets the oldest beyond what is kept. */
function prune(slice: ProgressState, { progressMax }: Settings, edit: At["edit"]): ProgressState {
  if (slice.notes.size <= progressMax) return slice;
  let { notes, byTask } = slice;
  while (notes.size > progressMax) {
    const oldest = notes.first();
    if (oldest === undefined) break;
    const [place, { task }] = oldest;
    notes = notes.delete(place, edit);
    const places = task === undefined ? undefined : byTask.get(task)?.delete(place, edit);
    if (task === undefined || places === undefined) continue;
    byTask = places.size === 0 ? byTask.delete(task, edit) : byTask.set(task, places, edit);
  }
  return { notes, byTask, next: slice.next };
}
