/**
 * Locks: one process at a time writes a feed or serves a spool.
 */
import { mkdirSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { Failure } from "../../core/failures.ts";

const own = new Set<string>();

/**
 * Takes the lock that a file stands for; the returned function gives it back. One whose process is
 * gone is taken over. Throws `usage` (`fields.taken`) while another process, or another part of this
 * one, has it.
 */
export function takeLock(path: string, what: string): () => void {
  const text = JSON.stringify({ pid: process.pid, host: hostname() });
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  for (let tries = 0; tries < 3; tries++) {
    try {
      writeFileSync(path, text, { flag: "wx", mode: 0o600 });
      own.add(path);
      return () => {
        if (!own.delete(path)) return;
        remove(path);
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") {
        const words = `${what} cannot be locked: ${(error as Error).message}.`;
        throw new Failure("usage", words, { fields: { path }, cause: error });
      }
      if (own.has(path) || isHeld(path)) break;
      remove(path);
    }
  }
  throw new Failure("usage", `${what} is served by another process; choose another place.`, {
    fields: { path, taken: true },
  });
}

/** Whether the process that left this lock lives; of another machine's nobody here can know. */
function isHeld(path: string): boolean {
  try {
    const { pid, host } = JSON.parse(readFileSync(path, "utf8")) as { pid?: unknown; host?: unknown };
    if (host !== hostname()) return true;
    if (typeof pid !== "number" || pid === process.pid) return false;
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody was faster.
  }
}
