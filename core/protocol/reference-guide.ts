/**
 * The guide at the top of PROTOCOL.md: what a stranger must know to write a client in an evening.
 *
 * The frames in it are made by the constructors that the hub uses.
 */
import type { Refusal } from "../model/slice.ts";
import { codes, errorReply, notification, reply, request } from "./frame.ts";

const sent = (message: object) => `→ ${JSON.stringify(message)}`;
const received = (message: object) => `← ${JSON.stringify(message)}`;

const open = request(1, "session.open", { agent: "alice", role: "coder", capabilities: ["typescript"] });
const opened = reply(1, {
  agent: "alice",
  hub: "h-5f2c",
  log: "3b9e…",
  seq: 40,
  protocol: 1,
  durable: true,
  limits: {},
});
const acquire = request("c1", "claim.acquire", {
  claim: "TASK-1",
  scope: { paths: ["src/auth/**"] },
  ttlMs: 900_000,
  submission: "alice-0001",
  sentAfter: 40,
});
const granted = {
  seq: 41,
  claim: "TASK-1",
  holder: "alice",
  epoch: 41,
  expiresAtMs: 1_900_000,
  nowMs: 1_000_000,
};
const event = {
  type: "claim.granted",
  claim: "TASK-1",
  holder: "alice",
  epoch: 41,
  ttlMs: 900_000,
  expiresAtMs: 1_900_000,
  scope: { paths: ["src/auth/**"] },
};
const entry = {
  seq: 41,
  atMs: 1_000_000,
  wallMs: 1_760_000_000_000,
  by: "alice",
  id: "alice-0001",
  events: [event],
};
const held = {
  claim: "TASK-1",
  holder: "alice",
  epoch: 41,
  expiresAtMs: 1_900_000,
  remainingMs: 840_000,
  waiting: 0,
};

/** The conversation of two agents about one claim. */
function conversation(refusal: Refusal | undefined): string {
  const sentence = refusal?.say(held as never) ?? "TASK-1 is held by alice.";
  const again = { ...acquire, id: "c2" };
  return [
    "alice",
    sent(open),
    received(opened),
    sent(acquire),
    received(reply("c1", granted)),
    "",
    "alice, whose connection broke before the answer, sends the same submission again",
    sent(again),
    received(reply("c2", { ...granted, repeated: true })),
    "",
    "bob, who has opened a session and wants the same",
    sent(
      request(7, "claim.acquire", { claim: "TASK-1", ttlMs: 900_000, submission: "bob-0001", sentAfter: 41 }),
    ),
    received(errorReply(7, codes.rejection, sentence, { code: "claim.held", ...held })),
    "",
    "carol, who watches",
    sent(request(2, "log.follow", { after: 40, events: ["claim.*"] })),
    received(notification("entry", entry)),
    received(notification("cursor", { seq: 57 })),
  ].join("\n");
}

/** The guide; `refusal` is the table's row of `claim.held`, whose sentence the example shows. */
export function guide(refusal: Refusal | undefined): string {
  return `# The Holdfast protocol, version 1

<!-- Generated from the schemas by reference.ts; a test fails when it is stale. Edit those, not this. -->

A hub keeps one append-only log: who is here, who holds which files and tasks, what was said. You send
commands; each is accepted, and appended as an entry, or refused, with the reason as data. You ask
queries about the newest state, and you follow the log to see everything that happens, in the one order
there is. That is all.

## Frames

Messages are [JSON-RPC 2.0](https://www.jsonrpc.org/specification), one message a frame, the same on
every transport. A frame may also hold a batch, a list of messages; answers come as they are ready, not
necessarily in one batch. Params are always an object. An id is a string or a number; a message without
one is a notification and gets no answer.

| transport | a frame is |
|---|---|
| WebSocket \`ws://host:4653\` | one text message of JSON; with the subprotocol \`holdfast.msgpack\` \
one binary message of MessagePack |
| HTTP \`http://host:4653\` | the body of \`POST /rpc\` and of its answer; \`Authorization: Bearer \
TOKEN\` and \`Holdfast-Agent: NAME\` stand for \`session.open\`. \`GET /entries?after=SEQ\` follows as \
server-sent events |
| MQTT \`mqtt://host:4654\` | a message on \`holdfast/NAME/request\`, answered on \
\`holdfast/NAME/response\` |
| spool, a folder | one line of \`NAME/requests.ndjson\`, answered in \`NAME/responses.ndjson\` |
| standard input and output | one line of JSON |

MessagePack is plain: maps with string keys, no extensions, no binary, no records. Whatever is sent is
JSON's data model: strings must be well-formed Unicode, numbers finite; where an integer is due it lies
within ±(2⁵³ − 1), and -0 is refused. \`__proto__\`, \`constructor\` and \`prototype\` are refused as
keys, and so is every field that is not listed below. Bad input is answered with an error and never
closes the connection (but WebSocket itself closes it on a frame that is too large or not UTF-8).

## A session

The first request is \`session.open\` with your name. Several sessions under one name are one agent. The
answer tells the log's id, its newest \`seq\`, and the limits that hold. \`durable: false\` means that
the log was opened as relaxed: what was acknowledged last may be lost when the machine loses power.

Time in answers and entries (\`atMs\`, \`expiresAtMs\`, \`nowMs\`) is log time: milliseconds that never
go back and have nothing to do with your clock. Reckon a lease from \`remainingMs\`, or from
\`expiresAtMs - nowMs\`, starting when you *sent* the request. \`wallMs\` of an entry is what the hub's
clock said, for people.

A claim's **epoch** is its fencing token. Keep the one you were granted and send it with everything you
do under the claim: once somebody else was granted the claim, the old epoch is refused for ever. A
lease's length is only a lower bound; for a moment two agents may believe that they hold it, but only
one can act.

## Sending a command

Give every command a \`submission\` of your own making, unique among your commands, and \`sentAfter\`,
the newest seq you had seen. Then whatever goes wrong on the way, send the same again, on any
connection, to any hub of that log: it takes effect once, and the first answer comes again with
\`repeated: true\`. A different command under a used submission is refused; so is one so old that the
hub can no longer know (\`submission.expired\`). A new attempt after a rejection needs a new submission.

A result always holds \`nowMs\` and, after a command that changed something, the \`seq\` of its entry.
It comes only when the entry is stored. An error says how much is known:

| \`code\` | means | it happened | do |
|--:|---|---|---|
| ${codes.rejection} | refused; \`data.code\` says why, with typed fields | no | read \`message\`, or \
decide by \`data\` |
| ${codes.indefinite} | the hub cannot tell | perhaps | send the same submission again |
| ${codes.definite} | failed, busy or out of room; \`data.code\` says why | no | send the same \
submission again later |
| ${codes.parseError} | not JSON, or too deep | no | correct it |
| ${codes.invalidRequest} | no message of JSON-RPC | no | correct it |
| ${codes.methodNotFound} | no such method | no | correct it |
| ${codes.invalidParams} | wrong params; \`data.at\` is the place, such as \`scope/paths/3\`, \
\`data.why\` the reason | no | correct it |

## Following

\`log.follow\` sends what is after your cursor, and then what happens, as \`entry\` notifications: in
order, each once, none left out. An entry is \`{seq, atMs, wallMs, by, id, events}\`; \`by\` is the
agent whose command it was, or \`hub\`; \`id\` its submission. Keep the last \`seq\` as your cursor and
resume with it. With a filter, \`cursor\` notifications \`{seq}\` tell how far you have come. A cursor
of another log, above its head or below what is kept is refused (\`log.unknown\`, \`log.ahead\`,
\`log.horizon\`), never skipped silently. A message that is not for you keeps its place as \`{type:
"message.redacted", message}\`. Do not read too slowly: the hub waits for you without harm, but closes a
connection that takes nothing for 30 seconds.

A list is \`{items, next?}\`; ask again with \`cursor\` set to \`next\` for the following page.

## A conversation

\`\`\`
${conversation(refusal)}
\`\`\`

## Notation

A field without \`required\` may be left out; \`null\` is not the same as leaving it out. In parentheses
stands the most, in characters (UTF-16 code units) or in bytes of UTF-8.

| notation | means |
|---|---|
| \`id(200)\` | not empty, in Unicode normalization form C, no control characters, no blanks at its ends |
| \`name(200)\` | an id that is not \`all\`, \`hub\`, \`system\`, \`log\`, \`state\` or \`*\`, does not \
begin with \`role:\` or \`#\`, and has no \`/\` at an end |
| \`path(1,024)\` | a file relative to the worktree's root, taken literally |
| \`pattern(1,024)\` | the same with \`?\`, \`*\`, \`**\`, \`[abc]\`, \`[!a-c]\` and \`{a,b}\`; a plain \
last segment covers all that is below it |
| \`line(1,000)\` | text without control characters |
| \`text(…)\` | any well-formed text |
| \`token(200)\` | printable |
| \`integer(1 to 5)\` | a whole number, both ends included |
| \`[id](1 to 64)\` | a list of so many ids |
| \`object(16 KiB)\` | a JSON object of your own, of at most so many bytes, 256 keys an object and 16 \
deep |
`;
}
