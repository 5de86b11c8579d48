/**
 * The plan of the example: a release, as tasks that need one another.
 */
import { type Client, Refused } from "../index.ts";

interface Task {
  readonly task: string;
  readonly title: string;
  readonly requires: readonly string[];
  readonly paths?: readonly string[];
  readonly dependsOn?: readonly string[];
  readonly priority?: number;
}

/** The task that is done when all others are. */
export const GOAL = "release-2.0";

/** The parts of the goal. `auth` and `server` touch the same files, so nobody is given both at a time. */
export const plan: readonly Task[] = [
  { task: "design", title: "Write down the new API", requires: ["write"], paths: ["docs/api.md"] },
  {
    task: "schema",
    title: "Tables for orders",
    requires: ["code"],
    paths: ["src/db"],
    dependsOn: ["design"],
  },
  { task: "server", title: "Serve orders", requires: ["code"], paths: ["src/server"], dependsOn: ["schema"] },
  {
    task: "auth",
    title: "Check who orders",
    requires: ["code"],
    paths: ["src/server/auth.ts", "src/client/login.ts"],
    dependsOn: ["schema"],
    priority: 1,
  },
  { task: "client", title: "Show orders", requires: ["code"], paths: ["src/client"], dependsOn: ["design"] },
  {
    task: "styles",
    title: "Make it pretty",
    requires: ["code"],
    paths: ["src/client/**/*.css"],
    dependsOn: ["design"],
  },
  {
    task: "test-server",
    title: "Try the server",
    requires: ["test"],
    paths: ["test/server"],
    dependsOn: ["server", "auth"],
  },
  {
    task: "test-client",
    title: "Try the client",
    requires: ["test"],
    paths: ["test/client"],
    dependsOn: ["client", "auth", "styles"],
  },
  { task: "load", title: "Try it under load", requires: ["test"], dependsOn: ["server"] },
  {
    task: "guide",
    title: "Explain it to users",
    requires: ["write"],
    paths: ["docs/guide.md"],
    dependsOn: ["client"],
  },
  {
    task: "changes",
    title: "List what changed",
    requires: ["write"],
    paths: ["CHANGELOG.md"],
    dependsOn: ["test-server", "test-client"],
  },
  { task: "publish", title: "Publish it", requires: ["code"], dependsOn: ["changes", "guide", "load"] },
];

/** Declares what is not declared yet: a second run finds the plan where the first one left it. */
export async function declarePlan(client: Client): Promise<void> {
  await declare(client, { task: GOAL, title: "Release 2.0" });
  for (const task of plan) await declare(client, { ...task, parent: GOAL });
}

async function declare(
  client: Client,
  task: { readonly task: string; readonly title: string; readonly parent?: string },
): Promise<void> {
  try {
    await client.call("task.declare", task);
  } catch (error) {
    if (!(error instanceof Refused) || error.code !== "task.exists") throw error;
  }
}
