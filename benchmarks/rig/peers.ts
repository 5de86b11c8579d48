/**
 * Others to run in turns with: found where they are installed, started on a free port of loopback with a folder on the
 * same disk, and stopped.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { type AddressInfo, createConnection, createServer } from "node:net";
import { join } from "node:path";

/** A server of another kind. */
export interface PeerServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** Says on stderr that a peer is missing. */
export function missing(name: string): undefined {
  process.stderr.write(`          ${name} is not installed: left out\n`);
  return undefined;
}

/** A Redis that answers once its append-only file is on the disk; `undefined` where there is none. */
export async function startRedis(folder: string): Promise<PeerServer | undefined> {
  const program = find("redis-server");
  if (program === undefined) return missing("redis-server");
  const port = await freePort();
  const options = [
    "--bind",
    "127.0.0.1",
    "--port",
    String(port),
    "--dir",
    folder,
    "--save",
    "",
    "--daemonize",
    "no",
  ];
  const durable = ["--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning"];
  const server = spawn(program, [...options, ...durable], { stdio: ["ignore", "ignore", "inherit"] });
  endWithUs(server);
  await listening(port, server);
  return { port, stop: () => stop(server) };
}

/** A PostgreSQL with its commits on the disk before they are answered, and a table of claims. */
export class Postgres implements PeerServer {
  readonly port: number;
  private readonly folder: string;
  private readonly server: ChildProcess;
  private readonly as: Account;

  private constructor(port: number, folder: string, server: ChildProcess, as: Account) {
    this.port = port;
    this.folder = folder;
    this.server = server;
    this.as = as;
  }

  static async start(folder: string): Promise<Postgres | undefined> {
    const [postgres, initdb, pgbench, psql] = ["postgres", "initdb", "pgbench", "psql"].map(find);
    if (!postgres || !initdb || !pgbench || !psql) return missing("postgres with initdb, psql and pgbench");
    const data = join(folder, "data");
    mkdirSync(data, { mode: 0o700 });
    const as = account();
    if (as.uid !== undefined) for (const path of [folder, data]) chownSync(path, as.uid, as.gid as number);
    execFileSync(initdb, ["-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8"], {
      ...as,
      cwd: folder,
      stdio: "ignore",
    });
    const port = await freePort();
    const settings = [
      "fsync=on",
      "synchronous_commit=on",
      "full_page_writes=on",
      "listen_addresses=127.0.0.1",
    ];
    const options = [...settings, `unix_socket_directories=${folder}`].flatMap((setting) => ["-c", setting]);
    const server = spawn(postgres, ["-D", data, "-p", String(port), ...options], {
      ...as,
      cwd: folder,
      stdio: "ignore",
    });
    endWithUs(server, "SIGINT");
    await listening(port, server);
    const peer = new Postgres(port, folder, server, as);
    await peer.ready(psql);
    return peer;
  }

  /** Pairs of an insert and a delete a second, each a transaction of its own. */
  pairs(clients: number, seconds: number): number {
    const script = join(this.folder, "pairs.sql");
    writeFileSync(
      script,
      [
        "\\set n random(1, 1000000000)",
        "INSERT INTO claim (id, holder, expires_at) VALUES ('T-' || :client_id || '-' || :n, 'bench', now() + interval '15 min');",
        "DELETE FROM claim WHERE id = 'T-' || :client_id || '-' || :n;",
      ].join("\n"),
    );
    const threads = String(Math.min(clients, 2));
    const how = [
      "-n",
      "-M",
      "prepared",
      "-c",
      String(clients),
      "-j",
      threads,
      "-T",
      String(Math.max(1, Math.round(seconds))),
    ];
    const said = this.run("pgbench", [...how, "-f", script]);
    const tps = /tps = ([\d.]+)/.exec(said)?.[1];
    if (tps === undefined) throw new Error(`pgbench said: ${said}`);
    return Number(tps);
  }

  stop(): Promise<void> {
    return stop(this.server, "SIGINT");
  }

  private run(program: string, args: readonly string[]): string {
    const at = ["-h", "127.0.0.1", "-p", String(this.port), "-U", "bench"];
    const { stdout, stderr, status } = spawnSync(program, [...at, ...args, "postgres"], {
      ...this.as,
      cwd: this.folder,
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`${program}: ${stderr}`);
    return stdout;
  }

  /** It takes connections a while before it takes questions. */
  private async ready(psql: string): Promise<void> {
    const table =
      "CREATE TABLE claim (id text PRIMARY KEY, holder text NOT NULL, expires_at timestamptz NOT NULL)";
    for (let tries = 0; ; tries++) {
      try {
        this.run(psql, ["-q", "-c", table]);
        return;
      } catch (error) {
        if (tries === 50) throw error;
        await pause(100);
      }
    }
  }
}

interface Account {
  readonly uid?: number;
  readonly gid?: number;
}

/** PostgreSQL refuses to run as root: then as the account that was made for it, or as nobody. */
function account(): Account {
  if (process.getuid?.() !== 0) return {};
  for (const name of ["postgres", "nobody"]) {
    const { stdout, status } = spawnSync("id", ["-u", name], { encoding: "utf8" });
    const group = spawnSync("id", ["-g", name], { encoding: "utf8" }).stdout;
    if (status === 0) return { uid: Number(stdout), gid: Number(group) };
  }
  return {};
}

/** A program on the path, or where Debian puts servers. */
export function find(program: string): string | undefined {
  const folders = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/usr/local/sbin"];
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
}

/** A port of loopback that is free now. */
export function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

async function listening(port: number, server: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (server.exitCode !== null) throw new Error(`${server.spawnfile} has ended (${server.exitCode})`);
    if (await answers(port)) return;
    await pause(50);
  }
  server.kill("SIGKILL");
  throw new Error(`${server.spawnfile} does not listen`);
}

function answers(port: number): Promise<boolean> {
  const socket = createConnection({ host: "127.0.0.1", port });
  return new Promise((resolve) => {
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
  }).then((yes) => {
    socket.destroy();
    return yes as boolean;
  });
}

/** A benchmark that fails leaves no server behind. */
function endWithUs(server: ChildProcess, signal: NodeJS.Signals = "SIGTERM"): void {
  const end = (): void => {
    server.kill(signal);
  };
  process.on("exit", end);
  server.once("exit", () => process.off("exit", end));
}

async function stop(server: ChildProcess, signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => server.once("exit", () => resolve()));
  server.kill(signal);
  await gone;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
