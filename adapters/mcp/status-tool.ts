/**
 * The tool that looks around: who is here, who holds what, what can be done, whether one may edit.
 */
import { limits } from "../../core/limits.ts";
import type { ClaimView } from "../../core/model/claim-queries.ts";
import { queries } from "../../core/model/model.ts";
import { boolean, doc, object, optional } from "../../core/model/shape.ts";
import { labelled, PATIENCE, pathsField } from "./claim-tools.ts";
import { CAUTION, CAUTION_FIELD, inline, span } from "./quote.ts";
import { pick } from "./schema.ts";
import { taskLine } from "./task-tools.ts";
import type { Answer, Caller, Given, ToolSource } from "./tool.ts";

export const statusTool: ToolSource = {
  title: "Look around",
  description:
    "Who is here, who holds which files, which tasks are ready, how many messages wait for you. Use it when you begin, " +
    "and with paths to learn whether you may edit them (mayEdit) and who holds them.",
  actions: {
    status: {
      reads: true,
      takes: object({
        paths: optional(doc("Whether these may be edited.", pathsField)),
        ...pick(queries["claims.list"].params.fields, "limit"),
      }),
      run: ({ paths, limit }, caller) =>
        paths === undefined
          ? around(caller, typeof limit === "number" ? limit : limits.mcpRows)
          : covering(paths as readonly string[], caller),
    },
  },
  gives: { mayEdit: boolean },
};

async function around({ client, seat }: Caller, limit: number): Promise<Answer> {
  const [summary, agents, claims, ready] = await Promise.all([
    client.call("state.summary", {}, PATIENCE),
    client.call("agents.list", { limit: limits.pageItemsMax }, PATIENCE),
    client.call("claims.list", { limit }, PATIENCE),
    client.call("tasks.ready", { limit }, PATIENCE),
  ]);
  const here = agents.items.filter(({ presence }) => presence !== "gone");
  const lines = [
    `${seat.agent === undefined ? "You have no name here." : `You are ${seat.agent}.`} ${summary.inbox} messages wait for you.`,
    `Here: ${
      here
        .slice(0, limit)
        .map(({ agent, presence }) => (presence === "present" ? agent : `${agent} (${presence})`))
        .join(", ") || "nobody"
    }`,
    `${summary.claims} claims${summary.claims === 0 ? "" : `. ${CAUTION}`}`,
    ...claims.items.map(claimLine),
    `${summary.tasks.ready} tasks ready`,
    ...ready.items.map(taskLine),
  ];
  const fields = {
    ...(seat.agent === undefined ? {} : { agent: seat.agent }),
    caution: CAUTION_FIELD,
    unread: summary.inbox,
    here: here
      .slice(0, limit)
      .map(({ agent, presence, role }) => ({ agent, presence, ...(role === undefined ? {} : { role }) })),
    counts: { claims: summary.claims, waits: summary.waits, tasks: summary.tasks },
    claims: claims.items.map(claimFields),
    ready: ready.items.map(({ task, title, paths }) => ({ task, title, paths })),
  };
  return { fields, text: lines.join("\n") };
}

async function covering(paths: readonly string[], caller: Caller): Promise<Answer> {
  const asked = { ...labelled(caller), ...caller.seat.scopeOf(paths) };
  const { items, more, mayEdit } = await caller.client.call("claims.covering", asked, PATIENCE);
  const advice = items.some(({ holder }) => holder === caller.seat.agent)
    ? "You may edit: it is yours."
    : "You may edit: nobody holds it. Claim it first.";
  const lines = [mayEdit ? advice : "You may not edit all of it: others hold it.", ...items.map(claimLine)];
  return {
    fields: { caution: CAUTION_FIELD, mayEdit, items: items.map(claimFields), more },
    text: lines.join("\n"),
  };
}

/** What a model should know of a claim; the territory has all of it. */
function claimFields({ claim, holder, remainingMs, scope, shared, note, task, waiting }: ClaimView): Given {
  return {
    claim,
    holder,
    remainingMs,
    ...(scope === undefined ? {} : { scope }),
    ...(shared ? { shared } : {}),
    ...(note === undefined ? {} : { note }),
    ...(task === undefined ? {} : { task }),
    waiting,
  };
}

/** A claim on one line. */
export function claimLine({ claim, holder, remainingMs, scope, note, waiting }: ClaimView): string {
  const covers = [...(scope?.files ?? []), ...(scope?.paths ?? [])];
  const shown = `${covers.slice(0, 8).join(", ")}${covers.length > 8 ? " …" : ""}`;
  return (
    `${claim}: ${holder}, ${span(remainingMs)} left${covers.length === 0 ? "" : `, ${shown}`}` +
    `${waiting > 0 ? `, ${waiting} waiting` : ""}${note === undefined ? "" : `, ${inline(note)}`}`
  );
}
