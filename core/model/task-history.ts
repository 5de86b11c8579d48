/**
 * The history of a task: everything in the log that is about it.
 */
import { limits } from "../limits.ts";
import { cursorSeq, type Page, paging, sizeOf } from "./page.ts";
import { string } from "./shape.ts";
import { type Entry, past } from "./slice.ts";

export const taskPasts = {
  "task.history": past(
    "Everything that happened to a task, oldest first, as `{items, next?}`; entries hold only what is about it.",
    { task: string("id", limits.idMax), ...paging },
    (_, params) => {
      const items: Entry[] = [];
      const limit = params.limit ?? limits.pageItemsDefault;
      let bytes = 0;
      let more = false;
      return {
        from: cursorSeq(params, 0),
        take: (entry) => {
          const events = entry.events.filter((event) => "task" in event && event.task === params.task);
          if (events.length === 0) return true;
          const about = { ...entry, events };
          bytes += sizeOf(about);
          more = items.length >= limit || (items.length > 0 && bytes > limits.pageBytesMax);
          if (!more) items.push(about);
          return !more;
        },
        answer: (): Page<Entry> => ({
          items,
          ...(more ? { next: String(items[items.length - 1]?.seq) } : {}),
        }),
      };
    },
  ),
} as const;
