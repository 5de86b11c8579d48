/**
 * How a model's turn is spelled: as a stream of Anthropic's Messages API or of OpenAI's Responses API.
 */
import type { ServerResponse } from "node:http";

/** What a model says and does in one answer. */
export interface Turn {
  /** Told apart from every other turn's. */
  readonly id: string;
  readonly say?: string;
  readonly use?: readonly Use[];
}

/** A use of a tool. `input` is a text where the tool takes free text. */
export interface Use {
  readonly tool: string;
  readonly input: { readonly [field: string]: unknown } | string;
  /** Where the tool belongs to a group of the host's. */
  readonly namespace?: string;
}

interface Block {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Answers as the Messages API. Ids of uses are `toolu_TURN_N`. */
export function answerMessages(
  response: ServerResponse,
  body: { readonly model?: string; readonly stream?: boolean },
  turn: Turn,
): void {
  const said: Block[] = turn.say === undefined ? [] : [{ type: "text", text: turn.say }];
  const used = (turn.use ?? []).map(
    ({ tool, input }, index): Block => ({
      type: "tool_use",
      id: `toolu_${turn.id}_${index + 1}`,
      name: tool,
      input,
    }),
  );
  const content = [...said, ...used];
  const model = body.model ?? "scripted";
  const message = { id: `msg_${turn.id}`, type: "message", role: "assistant", model };
  const end = { stop_reason: used.length === 0 ? "end_turn" : "tool_use", stop_sequence: null };
  const usage = { input_tokens: 10, output_tokens: 5 };
  if (body.stream !== true) {
    answerJson(response, { ...message, ...end, content, usage });
    return;
  }
  const send = stream(response);
  send("message_start", { message: { ...message, content: [], stop_reason: null, usage } });
  content.forEach((block, index) => {
    const isText = block.type === "text";
    const empty = isText ? { type: "text", text: "" } : { ...block, input: {} };
    send("content_block_start", { index, content_block: empty });
    const delta = isText
      ? { type: "text_delta", text: block.text }
      : { type: "input_json_delta", partial_json: JSON.stringify(block.input) };
    send("content_block_delta", { index, delta });
    send("content_block_stop", { index });
  });
  send("message_delta", { delta: end, usage: { output_tokens: 5 } });
  send("message_stop", {});
  response.end();
}

/** Answers as the Responses API. Ids of uses are `call_TURN_N`. */
export function answerResponses(response: ServerResponse, turn: Turn): void {
  const content = [{ type: "output_text", text: turn.say, annotations: [] }];
  const message = { type: "message", id: `msg_${turn.id}`, role: "assistant", status: "completed", content };
  const used = (turn.use ?? []).map(({ tool, input, namespace }, index): Block => {
    const id = `${turn.id}_${index + 1}`;
    const call = { id: `fc_${id}`, call_id: `call_${id}`, name: tool, status: "completed" };
    const group = namespace === undefined ? {} : { namespace };
    return typeof input === "string"
      ? { type: "custom_tool_call", ...call, input }
      : { type: "function_call", ...call, ...group, arguments: JSON.stringify(input) };
  });
  const output = [...(turn.say === undefined ? [] : [message]), ...used];
  const about = { id: `resp_${turn.id}`, object: "response" };
  const send = stream(response);
  send("response.created", { response: { ...about, status: "in_progress", output: [] } });
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
  send("response.completed", { response: { ...about, status: "completed", output, usage } });
  response.end();
}

/** Answers with one JSON document. */
export function answerJson(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function stream(response: ServerResponse): (type: string, data: object) => void {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  return (type, data) => {
    response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);
  };
}
