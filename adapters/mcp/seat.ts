/**
 * A seat: who speaks through one MCP server, from where, and by which client.
 */
import type { Client } from "../../core/client/client.ts";
import { limits } from "../../core/limits.ts";
import type { Paths } from "../place/paths.ts";

/** The epochs an agent was granted, so that it acts under the grant it means (CL23). */
export interface Epochs {
  /** The epoch of a grant that has not ended by the agent's own hand. */
  recall(claim: string): number | undefined;
  remember(claim: string, epoch: number): void;
  end(claim: string, epoch: number): void;
}

/** What a server is made for. */
export interface Seat {
  /** Who speaks; absent where the host did not say and nothing tells it from others of its kind. */
  readonly agent?: string;
  /** The client, opened when it is first asked for. Throws as `openClient`. */
  client(): Promise<Client>;
  /** The worktree's label, which goes with every scope. */
  readonly worktree?: string;
  /** Turns paths as a model gives them into a scope; throws `Refused` with `scope.outside`. */
  scopeOf(paths: readonly string[]): Paths;
  /** One file's name relative to the worktree's root; throws likewise. */
  fileOf(path: string): string;
  readonly epochs: Epochs;
  /** The seat of an agent that the host names with a call; absent where it is settled who speaks. */
  forAgent?(agent: string): Seat;
}

/** Epochs in memory, the oldest forgotten first. */
export function epochsInMemory(): Epochs {
  const known = new Map<string, number>();
  return {
    recall: (claim) => known.get(claim),
    remember(claim, epoch) {
      known.delete(claim);
      known.set(claim, epoch);
      const [oldest] = known.keys();
      if (known.size > limits.mcpEpochsMax && oldest !== undefined) known.delete(oldest);
    },
    end(claim, epoch) {
      if (known.get(claim) === epoch) known.delete(claim);
    },
  };
}
