/**
 * PUBLISH packets (MQTT 3.1.1, 3.3), made without a library: every frame to a client becomes one, and one
 * entry to many clients is made into one once.
 */

/** The bytes of a packet of quality of service 0, or of 1 under `id` where one is given. */
export function publishPacket(
  topic: string,
  payload: string | Uint8Array,
  { id, retain = false }: { readonly id?: number; readonly retain?: boolean } = {},
): Buffer {
  const topicBytes = Buffer.byteLength(topic);
  const payloadBytes = typeof payload === "string" ? Buffer.byteLength(payload) : payload.byteLength;
  let remaining = 2 + topicBytes + (id === undefined ? 0 : 2) + payloadBytes;
  const headBytes = remaining < 128 ? 2 : remaining < 16_384 ? 3 : remaining < 2_097_152 ? 4 : 5;
  const packet = Buffer.allocUnsafe(headBytes + remaining);
  packet[0] = 0x30 | (id === undefined ? 0 : 2) | (retain ? 1 : 0);
  let at = 1;
  for (; remaining >= 128; remaining >>>= 7) packet[at++] = (remaining & 0x7f) | 0x80;
  packet[at++] = remaining;
  at = packet.writeUInt16BE(topicBytes, at);
  at += packet.write(topic, at);
  if (id !== undefined) at = packet.writeUInt16BE(id, at);
  if (typeof payload === "string") packet.write(payload, at);
  else packet.set(payload, at);
  return packet;
}

/** The same packet of quality 1 under another id. */
export function underId(packet: Buffer, payloadBytes: number, id: number): Buffer {
  const copy = Buffer.from(packet);
  copy.writeUInt16BE(id, copy.length - payloadBytes - 2);
  return copy;
}
