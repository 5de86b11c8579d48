/**
 * A scripted model on loopback: speaks Anthropic's Messages API and OpenAI's Responses API as streams, plays
 * the steps it was given one request after another, and keeps every request it was sent.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { answerJson, answerMessages, answerResponses, type Turn, type Use } from "./wires.ts";

/** What the model does in one request: speaks, or uses tools. */
export interface Step {
  readonly say?: string;
  readonly use?: readonly Use[];
  /** Fails with this status instead. */
  readonly fail?: number;
  /** Awaited before the answer, so that something may happen in the middle of a turn. */
  readonly before?: () => Promise<void>;
}

/** Steps by the mark that the first words of their conversation hold, as `[[main]]`. */
export interface Script {
  readonly [mark: string]: readonly Step[];
}

/** A request as it came. */
export interface Asked {
  readonly path: string;
  // biome-ignore lint/suspicious/noExplicitAny: what hosts send is looked into, not relied on
  readonly body: any;
  /** Which conversation it belongs to; `""` for what a host asks on the side. */
  readonly mark: string;
  /** The whole body as text. */
  readonly text: string;
}

/** A model that is listening. */
export interface Model {
  readonly url: string;
  readonly asked: readonly Asked[];
  /** What a step's `before` failed with, if one did; the conversation was ended there. */
  readonly failure: unknown;
  /** The requests of one conversation. */
  of(mark: string): readonly Asked[];
  close(): Promise<void>;
}

/** What a conversation's use of a tool was answered, as its last request tells; `undefined` when it was not. */
export function resultOf(model: Model, id: string): string | undefined {
  const body = model.asked.findLast(({ mark, text }) => mark !== "" && text.includes(id))?.body;
  const items = [...(body?.messages ?? []).flatMap(({ content }: Item) => content), ...(body?.input ?? [])];
  const found = items.find(
    (item) => item?.tool_use_id === id || (item?.call_id === id && /output$/.test(item.type)),
  );
  const said = found?.content ?? found?.output;
  return said === undefined || typeof said === "string" ? said : JSON.stringify(said);
}

/** All that a conversation had heard by its last request, as JSON. */
export function heard(model: Model, mark = "main"): string {
  return model.of(mark).at(-1)?.text ?? "";
}

/** How often a text stands in the last request of a conversation, which holds all that was said in it. */
export function timesHeard(model: Model, mark: string, text: string): number {
  return heard(model, mark).split(text).length - 1;
}

/** Starts a model. A conversation past its last step is told `done`. */
export async function openModel(script: Script): Promise<Model> {
  const asked: Asked[] = [];
  const played = new Map<string, number>();
  let failure: unknown;

  /** The next step of a conversation; what a host asks on the side is told `ok`. */
  const play = async (mark: string): Promise<Turn & Pick<Step, "fail">> => {
    const at = (played.get(mark) ?? 0) + 1;
    played.set(mark, at);
    const step = mark === "" ? { say: "ok" } : (script[mark]?.[at - 1] ?? { say: "done" });
    try {
      await step.before?.();
    } catch (error) {
      failure ??= error;
      return { id: "failed", fail: 400 };
    }
    return { id: `${mark === "" ? "aside" : mark}_${at}`, ...step };
  };

  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = (request.url ?? "").split("?")[0] ?? "";
    const text = await bodyOf(request);
    const body = text === "" ? {} : JSON.parse(text);
    const mark = markOf(body, script);
    asked.push({ path, body, mark, text });
    if (path.endsWith("/messages") || path.endsWith("/responses")) {
      const turn = await play(mark);
      if (turn.fail !== undefined) {
        answerJson(response, { type: "error", error: { type: "invalid_request_error" } }, turn.fail);
      } else if (path.endsWith("/messages")) answerMessages(response, body, turn);
      else answerResponses(response, turn);
    } else if (path.endsWith("/count_tokens")) {
      answerJson(response, { input_tokens: 10 });
    } else if (path.endsWith("/models")) {
      answerJson(response, { object: "list", data: [], models: [] });
    } else {
      response.writeHead(404).end();
    }
  };

  const server: Server = createServer((request, response) => {
    take(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    get failure() {
      return failure;
    },
    of: (mark) => asked.filter((one) => one.mark === mark),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString();
}

/**
 * Only a request that offers tools belongs to a conversation; titles and the like are asked without. What the
 * model itself said is passed over, for it may hold the mark of a conversation it began.
 */
function markOf(body: { tools?: unknown[]; messages?: Item[]; input?: Item[] }, script: Script): string {
  if ((body.tools ?? []).length === 0) return "";
  const heard = (body.messages ?? body.input ?? []).filter(
    ({ role, type }) => role === "user" || type === "agent_message",
  );
  const text = JSON.stringify(heard);
  const marks = Object.keys(script)
    .map((mark) => ({ mark, at: text.indexOf(`[[${mark}]]`) }))
    .filter(({ at }) => at >= 0)
    .sort((a, b) => a.at - b.at);
  return marks[0]?.mark ?? "";
}

interface Item {
  readonly role?: string;
  readonly type?: string;
  readonly content?: unknown;
}
