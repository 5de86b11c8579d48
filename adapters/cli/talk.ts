/**
 * The verbs of talk: messages, inbox, requests, decisions, activity.
 */

import { toFile } from "../place/paths.ts";
import { usage } from "./arguments.ts";
import { standardInput } from "./claims.ts";
import { type Command, exits, type Run } from "./command.ts";
import { formatSpan } from "./durations.ts";
import { reaching, staying } from "./reach.ts";
import { safeLine, safeText, styled, table } from "./render.ts";
import { sayEmpty, sayMore } from "./views.ts";

const ROWS = 100;

/** The words behind the first few, or standard input where there are none. */
async function textOf({ args }: Command, from: number): Promise<string> {
  const words = args.words.slice(from).join(" ");
  return words === "" || words === "-" ? standardInput() : words;
}

/** `alice,bob` are two. */
function addresses(text: string): string | readonly string[] {
  const names = text.split(",").filter((name) => name !== "");
  return names.length === 1 ? (names[0] as string) : names;
}

export const sendVerb: Run = async (command) => {
  const { args, out } = command;
  const body = await textOf(command, 1);
  return reaching(command, "act", async ({ client }) => {
    const thread = args.text("thread");
    const replyTo = args.text("reply-to");
    const kind = args.text("kind");
    const posted = (await client.send("message.post", {
      to: addresses(args.word(0, "TO")),
      body,
      ...(thread === undefined ? {} : { thread }),
      ...(replyTo === undefined ? {} : { replyTo }),
      ...(kind === undefined ? {} : { kind }),
    })) as { readonly message: string; readonly unknown?: readonly string[] };
    out.data(posted, () => safeLine(`${posted.message} sent`));
    if (posted.unknown !== undefined) {
      out.say(
        `Nobody is called ${safeLine(posted.unknown.join(", "))} yet; it is kept for whoever takes the name.`,
      );
    }
    return exits.ok;
  });
};

export const askVerb: Run = async (command) => {
  const { args, out } = command;
  const body = await textOf(command, 1);
  return staying(command, "act", async ({ client }) => {
    const thread = args.text("thread");
    const timeoutMs = args.durationMs("timeout") ?? 30_000;
    const more = thread === undefined ? {} : { thread };
    const reply = await client.ask(addresses(args.word(0, "TO")), body, { timeoutMs, ...more });
    out.data(reply, () => safeText(reply.body));
    return exits.ok;
  });
};

interface Message {
  readonly message: string;
  readonly seq?: number;
  readonly from: string;
  readonly kind: string;
  readonly body: string;
  readonly channel?: string;
  readonly thread?: string;
  readonly replyTo?: string;
  readonly atMs?: number;
}

function messageText({ message, from, kind, body, channel, replyTo, atMs }: Message, nowMs: number): string {
  const where = channel === undefined ? "" : ` in #${channel}`;
  const answer = replyTo === undefined ? "" : `, answering ${replyTo}`;
  const ago = atMs === undefined ? "" : `, ${formatSpan(nowMs - atMs)} ago`;
  const head = `${message} from ${from}${where} (${kind}${answer}${ago})`;
  return `${styled("bold", safeLine(head))}\n${safeText(body).replace(/^/gm, "  ")}`;
}

export const inboxVerb: Run = (command) => {
  const acknowledging = command.args.flag("ack");
  return reaching(command, acknowledging ? "act" : "look", async (reached) => {
    sayEmpty(command, reached);
    const { client } = reached;
    const limit = command.args.integer("limit") ?? ROWS;
    const page = await client.call("inbox.list", { limit });
    const items = page.items as readonly Message[];
    command.out.data(page, () => items.map((item) => messageText(item, page.nowMs)).join("\n"));
    sayMore(command, page.next);
    if (acknowledging && items.length > 0) {
      await client.call("message.acknowledge", { messages: items.map(({ message }) => message) });
    }
    return exits.ok;
  });
};

export const threadVerb: Run = (command) =>
  reaching(command, "look", async ({ client }) => {
    const thread = command.args.words[0];
    const limit = command.args.integer("limit") ?? ROWS;
    if (thread === undefined) {
      const page = await client.call("threads.list", { limit });
      command.out.data(page, () =>
        page.items.length === 0
          ? ""
          : table(
              ["THREAD", "MESSAGES", "BY", "BEGINS"],
              page.items.map(({ thread, messages, first }) => [
                thread,
                messages,
                first.from,
                first.body.slice(0, 80),
              ]),
            ),
      );
      return exits.ok;
    }
    const page = await client.call("thread.read", { thread, limit });
    const items = page.items as readonly Message[];
    command.out.data(page, () => items.map((item) => messageText(item, page.nowMs)).join("\n"));
    sayMore(command, page.next);
    return exits.ok;
  });

export const decideVerb: Run = async (command) => {
  const { args, out } = command;
  const text = await textOf(command, 0);
  return reaching(command, "act", async ({ client }) => {
    const about = args.text("about");
    const supersedes = args.text("supersedes");
    const recorded = await client.send("decision.record", {
      text,
      ...(about === undefined ? {} : { about }),
      ...(supersedes === undefined ? {} : { supersedes }),
    });
    out.data(recorded, () => "recorded");
    return exits.ok;
  });
};

export const decisionsVerb: Run = (command) =>
  reaching(command, "look", async (reached) => {
    sayEmpty(command, reached);
    const limit = command.args.integer("limit") ?? ROWS;
    const about = command.args.text("about");
    const page = await reached.client.call("decisions.list", {
      limit,
      ...(about === undefined ? {} : { about }),
    });
    const items = page.items as unknown as readonly {
      readonly [field: string]: string | number | undefined;
    }[];
    command.out.data(page, () =>
      items.length === 0
        ? ""
        : table(
            ["DECISION", "BY", "ABOUT", "TEXT"],
            items.map(({ decision, agent, about, text, supersededBy }) => [
              decision,
              agent,
              about,
              `${supersededBy === undefined ? "" : `(superseded by ${supersededBy}) `}${text}`,
            ]),
          ),
    );
    sayMore(command, page.next);
    return exits.ok;
  });

export const activityVerb: Run = (command) => {
  const { args, out } = command;
  const [kind, ...words] = args.words;
  if (kind !== undefined) {
    const text = words.join(" ");
    if (text === "") usage("holdfast activity KIND TEXT… records, holdfast activity alone shows.");
    return reaching(command, "act", async ({ client, repository }) => {
      const path = args.text("path");
      const file = path === undefined ? {} : { path: toFile(path, repository.root, command.cwd) };
      const logged = await client.send("activity.log", { kind, text, ...file });
      out.data(logged, () => "recorded");
      return exits.ok;
    });
  }
  return reaching(command, "look", async (reached) => {
    sayEmpty(command, reached);
    const path = args.text("path");
    const agent = args.text("agent");
    const page = await reached.client.call("activity.list", {
      limit: args.integer("limit") ?? ROWS,
      ...(path === undefined ? {} : { path: toFile(path, reached.repository.root, command.cwd) }),
      ...(agent === undefined ? {} : { agent }),
    });
    const items = page.items as unknown as readonly {
      readonly [field: string]: string | number | undefined;
    }[];
    out.data(page, () =>
      items.length === 0
        ? ""
        : table(
            ["WHEN", "AGENT", "KIND", "PATH", "TEXT"],
            items.map((item) => [
              `${formatSpan(page.nowMs - Number(item.atMs))} ago`,
              item.agent,
              item.kind,
              item.path,
              item.text,
            ]),
          ),
    );
    sayMore(command, page.next);
    return exits.ok;
  });
};
