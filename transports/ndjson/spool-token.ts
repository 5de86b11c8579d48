/**
 * An agent's token in its folder: proves its name to a hub with tokens, without standing in a request.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { limits } from "../../core/limits.ts";
import { openTrusted, Untrusted } from "./line-file.ts";

/** The file that holds an agent's token and nothing else. */
export const TOKEN = "token";

/**
 * The token in an agent's folder, `undefined` where there is none. Throws `Untrusted` for a file that is not
 * its owner's alone, or stands where others may write: whoever can write requests there speaks as the agent.
 */
export async function tokenIn(folder: string, owner: number): Promise<string | undefined> {
  const handle = await openTrusted(join(folder, TOKEN), owner);
  if (handle === undefined) return undefined;
  try {
    const { mode, size } = await handle.stat();
    if ((mode & 0o077) !== 0) throw new Untrusted("others than its owner may read it; chmod 600 it");
    if (((await stat(folder)).mode & 0o022) !== 0)
      throw new Untrusted("others may write in its folder; chmod 700 that");
    if (size > limits.tokenBytesMax) throw new Untrusted("it is too long for a token");
    const token = (await handle.readFile("utf8")).trim();
    return token === "" ? undefined : token;
  } finally {
    await handle.close();
  }
}
