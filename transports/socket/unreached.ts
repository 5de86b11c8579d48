/**
 * Why a hub was not reached over a socket, in words for people.
 */
import type { IncomingMessage } from "node:http";
import { Failure } from "../../core/failures.ts";

type Cause = Error & { readonly code?: unknown };

/** What of a refusal's text is repeated to people. */
const REFUSAL_WORDS_MAX = 400;

/** What TLS says of a certificate that it does not accept. */
const DISTRUST =
  /^(CERT_|CRL_|ERR_TLS_CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_|INVALID_|PATH_LENGTH_)/;

/**
 * `hub.unreachable` for a url that holds no secrets. A certificate that is not trusted is said to be that, with its
 * fault in `fields.certificate`.
 */
export function unreachable(url: string, cause: Cause | string, who: "hub" | "broker" = "hub"): Failure {
  if (typeof cause === "string") {
    return new Failure("hub.unreachable", `No ${who} answers at ${url}: ${cause}.`, { fields: { url } });
  }
  const code = String(cause.code ?? "");
  if (DISTRUST.test(code)) {
    const words =
      `The certificate at ${url} is not trusted: ${cause.message}. Nothing was sent. To trust its authority, name ` +
      "the authority's file in NODE_EXTRA_CA_CERTS, or in a program give its text as `ca`.";
    return new Failure("hub.unreachable", words, { fields: { url, certificate: code }, cause });
  }
  const plain = code === "EPROTO" || code.startsWith("ERR_SSL_");
  // Node hides the errors of several addresses in an AggregateError without words.
  const words = plain
    ? "what answers there does not speak TLS"
    : cause.message || code || "the connection failed";
  return new Failure("hub.unreachable", `No ${who} answers at ${url}: ${words}.`, { fields: { url }, cause });
}

/** `hub.refused`, for an answer that is not the one hoped for, with the words it came with. */
export async function refusal(url: string, response: IncomingMessage): Promise<Failure> {
  let words = "";
  try {
    for await (const chunk of response) {
      words += String(chunk);
      if (words.length > REFUSAL_WORDS_MAX) break;
    }
  } catch {
    // The status says enough.
  }
  const said = words.replace(/\s+/g, " ").trim().slice(0, REFUSAL_WORDS_MAX);
  const status = response.statusCode ?? 0;
  return new Failure("hub.refused", `${url} refused with HTTP ${status}${said === "" ? "." : `: ${said}`}`, {
    fields: { url, status },
  });
}
