/**
 * Who asks over HTTP: what the headers and the url of a request say, and how paths of theirs are meant.
 */
import type { IncomingMessage } from "node:http";
import { Refused } from "../../core/client/refused.ts";
import { bearerToken, isLocalRequest } from "../../core/protocol/gate.ts";
import { type Paths, toFile, toScope } from "../place/paths.ts";
import type { Seat } from "./seat.ts";

/** One who asks. Two that are equal in all of it are the same to this hub. */
export interface Who {
  readonly agent?: string;
  readonly token?: string;
  /** The label of the worktree they stand in. */
  readonly worktree: string;
  /** Whether they sit at this machine. */
  readonly loopback: boolean;
}

/**
 * Reads `Holdfast-Agent` (percent-encoded beyond ASCII) or `?agent=`, the bearer token, and
 * `Holdfast-Worktree` or `?worktree=`; without the last, they stand where the hub does.
 */
export function whoAsks(request: IncomingMessage, hubRoot: string): Who {
  const { searchParams } = new URL(request.url ?? "/mcp", "http://hub");
  const said = (name: string): string | undefined =>
    decoded(request.headers[`holdfast-${name}`]) ?? (searchParams.get(name) || undefined);
  const agent = said("agent");
  const token = bearerToken(request.headers.authorization);
  return {
    ...(agent === undefined ? {} : { agent }),
    ...(token === undefined ? {} : { token }),
    worktree: (said("worktree") ?? hubRoot).replace(/(?<=.)\/+$/, ""),
    loopback: isLocalRequest(request.socket.remoteAddress ?? "unknown", request.headers),
  };
}

function decoded(header: string | string[] | undefined): string | undefined {
  if (typeof header !== "string" || header === "") return undefined;
  try {
    return decodeURIComponent(header);
  } catch {
    return header;
  }
}

/** Whether two are the same. */
export function keyOf({ agent, token, worktree, loopback }: Who): string {
  return JSON.stringify([agent ?? null, token ?? null, worktree, loopback]);
}

/** A name for one who did not say it, from what its host is called and the id of its session. */
export function nameFor(clientName: unknown, session: string): string {
  const plain = String(typeof clientName === "string" ? clientName : "mcp")
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/^[-.]+|[-.]+$/g, "")
    .slice(0, 40);
  return `${plain === "" ? "mcp" : plain}-${session.slice(0, 8)}`;
}

/**
 * How paths are meant: in the hub's own worktree as its files show, elsewhere as they are written, for
 * another place's files are not looked at on anybody's behalf.
 */
export function pathsIn(worktree: string, hubRoot: string): Pick<Seat, "scopeOf" | "fileOf" | "worktree"> {
  if (worktree === hubRoot) {
    return {
      worktree,
      scopeOf: (paths) => toScope(paths, hubRoot, hubRoot),
      fileOf: (path) => toFile(path, hubRoot, hubRoot),
    };
  }
  const inside = (path: string): string => {
    if (path === worktree) return "**";
    if (path.startsWith(`${worktree}/`)) return path.slice(worktree.length + 1);
    if (/^(\/|~|[A-Za-z]:[\\/])/.test(path)) throw outside(path);
    return path.replace(/^(\.\/)+/, "").replace(/^\.?$/, "**");
  };
  return {
    worktree,
    scopeOf: (paths): Paths => ({ paths: [...new Set(paths.map(inside))] }),
    fileOf: inside,
  };
}

function outside(path: string): Refused {
  const shown = path.length > 100 ? `${path.slice(0, 99)}…` : path;
  const message = `${shown} is outside the worktree. Give paths inside it, like src/a.ts; nothing was changed.`;
  return new Refused({ code: "scope.outside", path, message });
}
