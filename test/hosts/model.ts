/**
 * A scripted model on loopback: speaks Anthropic's Messages API and OpenAI's Responses API as streams, plays
 * the steps it was given one request after another, and keeps every request it was sent.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What the model does in one request: speaks, or uses tools. */
export interface Step {
  readonly say?: string;
  readonly use?: readonly Use[];
  /** Awaited before the answer, so that something may happen in the middle of a turn. */
  readonly before?: () => Promise<void>;
}

/** A use of a tool. `input` is a text where the tool takes free text. */
export interface Use {
  readonly tool: string;
  readonly input: { readonly [field: string]: unknown } | string;
  /** Where the tool belongs to a group of the host's. */
  readonly namespace?: string;
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
  /** The requests of one conversation. */
  of(mark: string): readonly Asked[];
  close(): Promise<void>;
}

/** Starts a model. A conversation past its last step is told `done`. */
export async function openModel(script: Script): Promise<Model> {
  const asked: Asked[] = [];
  const played = new Map<string, number>();

  const next = (mark: string): Step => {
    const at = played.get(mark) ?? 0;
    played.set(mark, at + 1);
    return script[mark]?.[at] ?? { say: "done" };
  };

  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = (request.url ?? "").split("?")[0] ?? "";
    const text = await bodyOf(request);
    const body = text === "" ? {} : JSON.parse(text);
    const mark = markOf(body, script);
    asked.push({ path, body, mark, text });
    if (path.endsWith("/messages")) {
      const step = mark === "" ? aside(body) : next(mark);
      await step.before?.();
      answerMessages(response, body, step);
    } else if (path.endsWith("/responses")) {
      const step = mark === "" ? { say: "done" } : next(mark);
      await step.before?.();
      answerResponses(response, step);
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

/** Only a request that offers tools belongs to a conversation; titles and the like are asked without. */
function markOf(
  body: { tools?: unknown[]; messages?: unknown[]; input?: unknown[] },
  script: Script,
): string {
  if ((body.tools ?? []).length === 0) return "";
  const users = (body.messages ?? body.input ?? []).filter(
    (item) => (item as { role?: string }).role === "user",
  );
  const text = JSON.stringify(users);
  const marks = Object.keys(script)
    .map((mark) => ({ mark, at: text.indexOf(`[[${mark}]]`) }))
    .filter(({ at }) => at >= 0)
    .sort((a, b) => a.at - b.at);
  return marks[0]?.mark ?? "";
}

/** What a host asks beside the conversation. */
function aside(_body: unknown): Step {
  return { say: "ok" };
}

function answerJson(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}

let made = 0;

function answerMessages(
  response: ServerResponse,
  body: { model?: string; stream?: boolean },
  step: Step,
): void {
  const content: { readonly [field: string]: unknown }[] = [];
  if (step.say !== undefined) content.push({ type: "text", text: step.say });
  for (const { tool, input } of step.use ?? []) {
    made += 1;
    content.push({ type: "tool_use", id: `toolu_${String(made).padStart(8, "0")}`, name: tool, input });
  }
  made += 1;
  const stop = step.use === undefined ? "end_turn" : "tool_use";
  const message = { id: `msg_${made}`, type: "message", role: "assistant", model: body.model ?? "scripted" };
  const usage = { input_tokens: 10, output_tokens: 5 };
  if (body.stream !== true) {
    answerJson(response, { ...message, content, stop_reason: stop, stop_sequence: null, usage });
    return;
  }
  const send = stream(response);
  send("message_start", {
    message: { ...message, content: [], stop_reason: null, stop_sequence: null, usage },
  });
  content.forEach((block, index) => {
    if (block.type === "text") {
      send("content_block_start", { index, content_block: { type: "text", text: "" } });
      send("content_block_delta", { index, delta: { type: "text_delta", text: block.text } });
    } else {
      send("content_block_start", { index, content_block: { ...block, input: {} } });
      const partial = JSON.stringify(block.input);
      send("content_block_delta", { index, delta: { type: "input_json_delta", partial_json: partial } });
    }
    send("content_block_stop", { index });
  });
  send("message_delta", { delta: { stop_reason: stop, stop_sequence: null }, usage: { output_tokens: 5 } });
  send("message_stop", {});
  response.end();
}

function answerResponses(response: ServerResponse, step: Step): void {
  const output: { readonly [field: string]: unknown }[] = [];
  if (step.say !== undefined) {
    made += 1;
    const content = [{ type: "output_text", text: step.say, annotations: [] }];
    output.push({ type: "message", id: `msg_${made}`, role: "assistant", status: "completed", content });
  }
  for (const { tool, input, namespace } of step.use ?? []) {
    made += 1;
    const call = { id: `fc_${made}`, call_id: `call_${made}`, name: tool, status: "completed" };
    output.push(
      typeof input === "string"
        ? { type: "custom_tool_call", ...call, input }
        : {
            type: "function_call",
            ...call,
            arguments: JSON.stringify(input),
            ...(namespace === undefined ? {} : { namespace }),
          },
    );
  }
  made += 1;
  const id = `resp_${made}`;
  const send = stream(response);
  send("response.created", { response: { id, object: "response", status: "in_progress", output: [] } });
  output.forEach((item, index) => {
    send("response.output_item.added", { output_index: index, item });
    send("response.output_item.done", { output_index: index, item });
  });
  const usage = {
    input_tokens: 10,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 5,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 15,
  };
  send("response.completed", { response: { id, object: "response", status: "completed", output, usage } });
  response.end();
}

function stream(response: ServerResponse): (type: string, data: object) => void {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  return (type, data) => {
    response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);
  };
}
