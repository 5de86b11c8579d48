/**
 * `call`: any method of the protocol, with params as JSON.
 */
import { isQuery } from "../../core/client/visit.ts";
import { usage } from "./arguments.ts";
import { standardInput } from "./claims.ts";
import { exits, type Run } from "./command.ts";
import { reaching } from "./reach.ts";
import { safeText } from "./render.ts";

export const callVerb: Run = async (command) => {
  const { args, out } = command;
  const method = args.word(0, "METHOD");
  const text = args.words[1] === "-" ? await standardInput() : (args.words[1] ?? "{}");
  const params = parse(text);
  const mode = args.flag("operator") ? "operate" : isQuery(method) ? "look" : "act";
  return reaching(command, mode, async ({ client }) => {
    const answer = await client.send(method, params);
    out.data(answer, () => safeText(JSON.stringify(answer, null, 2)));
    return exits.ok;
  });
};

function parse(text: string): object {
  let params: unknown;
  try {
    params = JSON.parse(text);
  } catch (error) {
    return usage(`The params are not JSON: ${(error as Error).message}.`);
  }
  if (typeof params !== "object" || params === null || Array.isArray(params))
    usage("The params are an object, like {}.");
  return params;
}
