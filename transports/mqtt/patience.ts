/**
 * Patience: real timers that never keep the process alive, and how long a broker's word is waited for.
 */
import type { MqttClient } from "mqtt";
import { limits } from "../../core/limits.ts";
import type { Clock } from "../../core/ports/clock.ts";

/** Real time. */
export const realAfter: Clock["after"] = (ms, run) => {
  const timer = setTimeout(run, ms);
  timer.unref();
  return () => clearTimeout(timer);
};

/**
 * Says DISCONNECT once what was published is confirmed, or hangs up after a moment without that. The
 * library's own `end` would wait for ever for a broker that confirms nothing more, and a second, forced one
 * does nothing then.
 */
export function leave(client: MqttClient): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => {
      client.stream.destroy();
      resolve();
    }, limits.closeMs);
    client.end(!client.connected, () => {
      clearTimeout(cut);
      resolve();
    });
  });
}

/** The same promise, but rejecting with what `late` makes once so much time has passed. */
export async function inTime<T>(done: Promise<T>, timeoutMs: number, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), timeoutMs);
  });
  // Whoever comes second is nobody's business.
  done.catch(() => undefined);
  try {
    return await Promise.race([done, over]);
  } finally {
    clearTimeout(timer);
  }
}
