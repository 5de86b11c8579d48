/**
 * The token file: lines of `NAME sha256:HEX [operator]`, where the name `*` stands for any. Tokens
 * themselves are stored nowhere.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import type { Verify } from "../../core/engine/admission.ts";
import { Failure } from "../../core/failures.ts";

/** One line of a token file. */
export interface TokenLine {
  readonly name: string;
  /** SHA-256 of the token, in lower-case hex. */
  readonly digest: string;
  readonly operator: boolean;
}

/**
 * The lines of a token file's text; blank ones and those that begin with `# ` are passed over. Throws
 * `usage`.
 */
export function parseTokens(text: string, file: string): readonly TokenLine[] {
  const lines: TokenLine[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("# ")) continue;
    const found = /^(\S.*?) sha256:([0-9a-f]{64})( operator)?\s*$/.exec(line);
    if (found === null) {
      throw new Failure(
        "usage",
        `${file}, line ${index + 1}, is not of the form NAME sha256:HEX [operator]. Correct or remove it.`,
        { fields: { file, line: index + 1 } },
      );
    }
    lines.push({ name: found[1] as string, digest: found[2] as string, operator: found[3] !== undefined });
  }
  return lines;
}

/** A line as it stands in the file, without its end. */
export function tokenLine({ name, digest, operator }: TokenLine): string {
  return `${name} sha256:${digest}${operator ? " operator" : ""}`;
}

/** SHA-256 of a token, in lower-case hex. */
export function tokenDigest(token: string): string {
  return createHash("sha256").update(token, "utf8").digest("hex");
}

/**
 * Checks tokens against a file, which is read again when it has changed: a token that was removed opens no
 * session any more. A file that cannot be read any longer proves nothing. Throws `usage` when it cannot be
 * read now.
 */
export function tokenVerifier(file: string): Verify {
  let seen = "";
  let lines: readonly TokenLine[] = [];
  const look = (): void => {
    const { mtimeMs, size, ino } = statSync(file);
    const stamp = `${mtimeMs} ${size} ${ino}`;
    if (stamp === seen) return;
    lines = parseTokens(readFileSync(file, "utf8"), file);
    seen = stamp;
  };
  try {
    look();
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure("usage", `The token file ${file} cannot be read: ${(error as Error).message}.`, {
      fields: { file },
      cause: error,
    });
  }
  return (agent, token) => {
    try {
      look();
    } catch {
      return undefined;
    }
    const shown = Buffer.from(tokenDigest(token), "hex");
    let proven: { operator: boolean } | undefined;
    // Every line is compared, so that the time taken tells nothing of which one it was.
    for (const { name, digest, operator } of lines) {
      const same = timingSafeEqual(shown, Buffer.from(digest, "hex"));
      if (same && (name === "*" || name === agent))
        proven = { operator: operator || proven?.operator === true };
    }
    return proven;
  };
}
