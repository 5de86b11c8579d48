/**
 * TLS: clients over `wss:`, `https:`, `mqtts:` and `mqtts+client:` through something that ends TLS in front of the hub,
 * as a reverse proxy does; and what they say of a certificate that is not trusted.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, connect as dial, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../../adapters/node/connect.ts";
import { serve } from "../../adapters/node/hub.ts";
import { Sandbox } from "../adapters/command-line.ts";

const missing = (tool: string) => spawnSync(tool, ["version"], { stdio: "ignore" }).error !== undefined;

let folder: string;
/** Certificates of `localhost`, each with its key; each is its own authority. */
const made = new Map<string, { readonly cert: string; readonly key: string }>();

function certificate(name: string, subject: string, ...more: string[]): void {
  const file = (kind: string) => join(folder, `${name}.${kind}`);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", file("key")];
  const what = ["-subj", `/CN=${subject}`, "-addext", `subjectAltName=DNS:${subject}`, "-out", file("cert")];
  execFileSync("openssl", ["req", "-x509", ...key, ...what, ...more], { stdio: "ignore" });
  made.set(name, { cert: readFileSync(file("cert"), "utf8"), key: readFileSync(file("key"), "utf8") });
}

const ca = (name = "right") => made.get(name)?.cert as string;
const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

/** Ends TLS and passes on what is inside. */
async function proxyTo(port: number, name = "right"): Promise<number> {
  const { cert, key } = made.get(name) as { cert: string; key: string };
  const open = new Set<Socket>();
  const server = createTlsServer({ cert, key }, (near) => {
    const far = dial(port, "127.0.0.1");
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
      one.pipe(other);
    }
  });
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  endings.push(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const schemes = { wss: "ws", https: "http", mqtts: "mqtt" } as const;

describe.skipIf(missing("openssl"))("over TLS (needs openssl to make certificates)", () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-tls-"));
    certificate("right", "localhost");
    certificate("other", "localhost");
    certificate("misnamed", "hub.example");
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** A hub, and the port of one of its schemes. */
  async function hubFor(scheme: keyof typeof schemes): Promise<number> {
    const plain = schemes[scheme];
    const hub = await serve({ log: "memory:", listen: [`${plain}://127.0.0.1:0`] });
    endings.push(() => hub.close());
    return Number(new URL(hub.urls.find((url) => url.startsWith(`${plain}:`)) as string).port);
  }

  test.each(Object.keys(schemes) as (keyof typeof schemes)[])("%s: claims and follows", async (scheme) => {
    const url = `${scheme}://localhost:${await proxyTo(await hubFor(scheme))}`;
    const client = await connect(url, { agent: "ann", ca: ca() });
    endings.push(() => client.close());
    const { epoch } = await client.call("claim.acquire", { claim: "a", note: "x".repeat(900) });
    for await (const { seq } of client.follow({ after: 0 })) if (seq === epoch) break;
  });

  test.each(
    (Object.keys(schemes) as (keyof typeof schemes)[]).flatMap((scheme) =>
      (
        [
          ["of an unknown authority", "right", undefined, /SELF_SIGNED/],
          ["of another authority", "right", "other", /SELF_SIGNED|UNABLE_TO/],
          ["with another name", "misnamed", "misnamed", /ALTNAME/],
        ] as const
      ).map((one) => [scheme, ...one] as const),
    ),
  )("%s: a certificate %s is refused, in words", async (scheme, _what, served, trusted, code) => {
    const url = `${scheme}://localhost:${await proxyTo(await hubFor(scheme), served)}`;
    const given = trusted === undefined ? {} : { ca: ca(trusted) };
    const failure = await connect(url, { agent: "ann", token: "secret-token", ...given }).then(
      () => undefined,
      (error) => error,
    );
    expect(failure).toMatchObject({
      code: "hub.unreachable",
      message: expect.stringMatching(/is not trusted: .*NODE_EXTRA_CA_CERTS/),
      fields: { url, certificate: expect.stringMatching(code) },
    });
    expect(failure.message.length).toBeLessThan(400);
    expect(failure.message).not.toContain("secret-token");
  });

  test.each(Object.keys(schemes) as (keyof typeof schemes)[])(
    "%s: a port without TLS is told",
    async (scheme) => {
      const url = `${scheme}://localhost:${await hubFor(scheme)}`;
      await expect(connect(url, { agent: "ann", ca: ca(), timeoutMs: 3000 })).rejects.toMatchObject({
        code: "hub.unreachable",
        message: expect.stringMatching(/does not speak TLS|hung up|closed|no answer|reset|disconnected/i),
      });
    },
  );

  test("the command line trusts what NODE_EXTRA_CA_CERTS names, behind a proxy that keeps the host", async () => {
    const box = new Sandbox("none");
    endings.push(() => box.dispose());
    const { url } = await box.serve("--allow-host", "hub.example");
    const port = await proxyTo(Number(new URL(url).port));
    for (const scheme of ["wss", "https"]) {
      const hub = `${scheme}://localhost:${port}`;
      const trusting = { env: { NODE_EXTRA_CA_CERTS: join(folder, "right.cert") } };
      const claimed = await box.run(["claim", `of-${scheme}`, "--hub", hub, "--json"], trusting);
      expect(claimed.json, claimed.err).toMatchObject({ claim: `of-${scheme}` });
      const refused = await box.run(["claims", "--hub", hub]);
      expect([refused.code, refused.err]).toEqual([3, expect.stringContaining("is not trusted")]);
    }
    const called = async (host: string) => {
      const socket = dial(Number(new URL(url).port), "127.0.0.1");
      socket.write(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      let told = "";
      for await (const bytes of socket) told += String(bytes);
      return told.slice(0, 12);
    };
    expect([await called("hub.example"), await called("evil.example")]).toEqual([
      "HTTP/1.1 200",
      "HTTP/1.1 403",
    ]);
  });

  test.skipIf(missing("mosquitto"))("hub and agent meet on a broker with TLS (needs mosquitto)", async () => {
    const free = createServer().listen(0, "127.0.0.1");
    await once(free, "listening");
    const { port } = free.address() as AddressInfo;
    await new Promise((resolve) => free.close(resolve));
    const file = (kind: string) => join(folder, `right.${kind}`);
    const lines = [`listener ${port} 127.0.0.1`, "allow_anonymous true", `certfile ${file("cert")}`];
    writeFileSync(
      join(folder, "mosquitto.conf"),
      [...lines, `keyfile ${file("key")}`, "user root", ""].join("\n"),
    );
    const broker = spawn("mosquitto", ["-c", join(folder, "mosquitto.conf")], { stdio: "ignore" });
    endings.push(async () => {
      broker.kill();
      await once(broker, "exit");
    });
    await expect
      .poll(async () => {
        const socket = dial(port, "127.0.0.1");
        const open = await once(socket, "connect").then(
          () => true,
          () => false,
        );
        socket.destroy();
        return open;
      })
      .toBe(true);
    const url = `mqtts+client://localhost:${port}`;
    await expect(serve({ log: "memory:", listen: [url] })).rejects.toMatchObject({
      code: "hub.unreachable",
      message: expect.stringContaining("is not trusted"),
    });
    const hub = await serve({ log: "memory:", listen: [url], ca: ca() });
    endings.push(() => hub.close());
    await expect(connect(url, { agent: "ann" })).rejects.toMatchObject({
      code: "hub.unreachable",
      fields: { certificate: expect.stringMatching(/SELF_SIGNED/) },
    });
    const client = await connect(url, { agent: "ann", ca: ca() });
    endings.push(() => client.close());
    expect(await client.call("claim.acquire", { claim: "a" })).toMatchObject({ claim: "a", holder: "ann" });
  });
});
