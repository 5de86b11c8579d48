/**
 * The transport contract, over every registered transport.
 */
import { describe, expect, test } from "vitest";
import { type Transport, transports } from "../../transports/index.ts";
import { type TransportPlace, transportContract } from "../contracts/transport.ts";

type Listening = Required<Transport>;

/** How a transport gets a place for the suite; a string names the scheme whose code it shares. */
const places: { readonly [scheme: string]: string | ((transport: Listening) => Promise<TransportPlace>) } = {
  memory: async (transport) => placeAt(transport, "memory:"),
  ws: async (transport) => placeAt(transport, "ws://127.0.0.1:0"),
  wss: "ws",
  http: async (transport) => placeAt(transport, "http://127.0.0.1:0"),
  https: "http",
};

describe("every registered transport", () => {
  test("has a place in this test", () => {
    expect(Object.keys(places).sort()).toEqual(Object.keys(transports).sort());
  });
});

for (const [scheme, load] of Object.entries(transports)) {
  const place = places[scheme];
  if (typeof place !== "function") continue;
  const transport = (await load()) as Listening;
  transportContract(scheme, transport.abilities, () => place(transport));
}

function placeAt(transport: Listening, fresh: string): TransportPlace {
  return {
    listen: (accept, url = fresh) => transport.listen(url, {}, accept),
    connect: (url, options) => transport.connect(url, options),
    close: async () => undefined,
  };
}
