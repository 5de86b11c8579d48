/**
 * Says a verdict in a host's own words. Standard output is empty or exactly one JSON object, whose fields
 * are all among those the host is known to hear.
 */
import { limits } from "../../core/limits.ts";
import type { HookAnswer, HookEvent, Verdict } from "./event.ts";
import { EVENT, type Form, type Part, TEXT } from "./host-facts.ts";
import { eventFacts } from "./hosts.ts";

const SILENCE: HookAnswer = { stdout: "", stderr: "", exitCode: 0 };
const PARTS: readonly Part[] = ["deny", "context", "hold", "warning"];

interface Json {
  [field: string]: string | boolean | Json;
}

/**
 * The answer to a host. What cannot be said at this event is left out (`canSay` tells before); a warning
 * then goes to stderr, which hosts keep in their logs. A blank text says nothing. Exit code 0 always:
 * every host takes a refusal as JSON, and one of them takes any other code for a refusal.
 */
export function answerOf(event: Pick<HookEvent, "host" | "event">, verdict: Verdict): HookAnswer {
  const says = eventFacts(event.host, event.event)?.says ?? {};
  const answer: Json = {};
  let stderr = "";
  for (const part of PARTS) {
    const text = bounded(verdict[part] ?? "");
    if (text === "") continue;
    const form = says[part];
    if (form !== undefined && (!isLine(form) || Object.keys(answer).length === 0))
      lay(answer, form, { text, event: event.event });
    else if (part === "warning") stderr = `${text}\n`;
  }
  if (Object.keys(answer).length === 0) return stderr === "" ? SILENCE : { ...SILENCE, stderr };
  return { stdout: JSON.stringify(answer), stderr, exitCode: 0 };
}

/** A form that names its own type is a message of its own, not a part of an answer. */
function isLine(form: Form): boolean {
  return Object.hasOwn(form, "type");
}

function lay(answer: Json, form: Form, fill: { readonly text: string; readonly event: string }): void {
  for (const [field, value] of Object.entries(form)) {
    if (typeof value === "object") {
      const inner = answer[field];
      const into: Json = typeof inner === "object" ? inner : {};
      lay(into, value, fill);
      answer[field] = into;
    } else if (value === TEXT) answer[field] = fill.text;
    else answer[field] = value === EVENT ? fill.event : value;
  }
}

/** At most `hookTextMax` code units, never half a character; a text of blanks is none. */
function bounded(text: string): string {
  if (text.trim() === "") return "";
  if (text.length <= limits.hookTextMax) return text;
  const cut = text.slice(0, limits.hookTextMax - 1);
  return `${/[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut}…`;
}
