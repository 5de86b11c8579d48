/**
 * The tools, by name: the table of contents.
 */
import { checkpointTool, claimTool, releaseTool } from "./claim-tools.ts";
import { documentTool } from "./document-tool.ts";
import { askTool, inboxTool, sendTool } from "./message-tools.ts";
import { statusTool } from "./status-tool.ts";
import { nextTool, taskTool } from "./task-tools.ts";
import { Tool, type ToolSource } from "./tool.ts";

const sources: { readonly [name: string]: ToolSource } = {
  claim: claimTool,
  release: releaseTool,
  next: nextTool,
  task: taskTool,
  send: sendTool,
  inbox: inboxTool,
  ask: askTool,
  status: statusTool,
  checkpoint: checkpointTool,
  document: documentTool,
};

/** Every tool there is; made once, the same for every server. */
export const tools: ReadonlyMap<string, Tool> = new Map(
  Object.entries(sources).map(([name, source]) => [name, new Tool(name, source)]),
);
