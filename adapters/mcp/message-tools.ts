/**
 * The tools of messages: saying, reading, asking.
 */
import { Failure } from "../../core/failures.ts";
import { limits } from "../../core/limits.ts";
import { commands, events, queries } from "../../core/model/model.ts";
import { doc, integer, object, optional } from "../../core/model/shape.ts";
import { PATIENCE, rows } from "./claim-tools.ts";
import { CAUTION, CAUTION_FIELD, quoted } from "./quote.ts";
import { pick } from "./schema.ts";
import type { ToolSource } from "./tool.ts";

const post = commands["message.post"].fields;
const posted = events["message.posted"].fields;

/** A message as far as it is shown. */
interface Shown {
  readonly message: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly kind: string;
  readonly body: string;
  readonly thread?: string;
  readonly replyTo?: string;
}

export const sendTool: ToolSource = {
  title: "Send a message",
  description:
    "Tell other agents something. To answer one who asks (kind task_request), send kind task_result with replyTo. " +
    "Returns the message's id, and addresses nobody answers to.",
  actions: {
    send: {
      takes: object(pick(post, "to", "body", "kind", "thread", "replyTo")),
      run: async (given, { client }) => {
        const said = await client.call("message.post", given as { to: string; body: string }, PATIENCE);
        const { message, unknown } = said;
        const lost = unknown === undefined ? "" : ` Nobody is called ${unknown.join(", ")}.`;
        return { fields: { ...said }, text: `Sent as ${message}.${lost}` };
      },
    },
  },
  gives: pick(posted, "message"),
};

export const inboxTool: ToolSource = {
  title: "Read your messages",
  description:
    "list: what others sent you and you have not acknowledged. acknowledge: take them out, once dealt with. " +
    "thread: a whole conversation. Look at it between steps.",
  actions: {
    list: {
      reads: true,
      takes: object(pick(queries["inbox.list"].params.fields, "limit", "cursor")),
      run: async (given, { client }) => {
        const page = await client.call("inbox.list", rows(given), PATIENCE);
        const text = messagesText(page.items, "Your inbox is empty.", page.next);
        return { fields: { caution: CAUTION_FIELD, ...page }, text };
      },
    },
    acknowledge: {
      takes: commands["message.acknowledge"],
      run: async (given, { client }) => ({
        fields: { ...(await client.send("message.acknowledge", given, PATIENCE)) },
        text: "Acknowledged.",
      }),
    },
    thread: {
      reads: true,
      takes: queries["thread.read"].params,
      run: async (given, { client }) => {
        const asked = rows(given) as { readonly thread: string };
        const page = await client.call("thread.read", asked, PATIENCE);
        const text = messagesText(page.items, "There is nothing in it.", page.next);
        return { fields: { caution: CAUTION_FIELD, ...page }, text };
      },
    },
  },
  gives: {},
};

export const askTool: ToolSource = {
  title: "Ask an agent and wait",
  description:
    "Send a request and wait for the answer. Use it when you cannot go on without it. Returns the answer; isError when " +
    "none comes in time (a late one is in your inbox).",
  actions: {
    ask: {
      takes: object({
        ...pick(post, "to", "body", "thread"),
        timeoutMs: optional(doc("30000 unless said.", integer(1, limits.mcpWaitMsMax))),
      }),
      run: async ({ to, body, ...options }, { client }) => {
        const answer = await client
          .ask(to as string, String(body), { timeoutMs: 30_000, ...options })
          .catch(late);
        return {
          fields: { caution: CAUTION_FIELD, ...answer },
          text: `${answer.from} answered (${answer.message}). ${CAUTION}\n${quoted(answer.body)}`,
        };
      },
    },
  },
  gives: pick(posted, "message", "from", "body"),
};

/** Nobody answered: certain, and the request stays where it is. */
function late(error: unknown): never {
  if (!(error instanceof Failure) || error.fields.message === undefined) throw error;
  throw new Failure(error.code, error.message, { fields: { asked: error.fields.message } });
}

function messagesText(items: readonly Shown[], none: string, next: string | undefined): string {
  if (items.length === 0) return none;
  const texts = items.map((message) => {
    const { message: id, from, to, kind, thread, replyTo, body } = message;
    const where = `${thread === undefined ? "" : `, thread ${thread}`}${replyTo === undefined ? "" : `, answers ${replyTo}`}`;
    return `${id} from ${from} to ${to.join(", ")}, ${kind}${where}\n${quoted(body)}`;
  });
  return [CAUTION, ...texts, ...(next === undefined ? [] : [`More: cursor ${next}`])].join("\n");
}
