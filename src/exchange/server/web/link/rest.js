// Calls of the exchange's REST side, signed where a key is given.

import { newTimestamp, sign } from "./sign.js";

const TIMEOUT_MS = 8000;

/** A refusal or failure as the exchange words it: code, message, field, limit. */
export class ExchangeError extends Error {
  constructor(error, status = 0) {
    super(error.message ?? error.code);
    this.code = error.code;
    this.field = error.field ?? null;
    this.limit = error.limit ?? null;
    this.retryable = error.retryable ?? false;
    this.status = status;
  }

  /** One line for the user: what was wrong, the limit, and the code to look up. */
  toString() {
    const limit = this.limit !== null && !this.message.includes(this.limit) ? ` (limit ${this.limit})` : "";
    return `${this.message}${limit} · ${this.code}`;
  }
}

/** Send one request and answer its JSON. Throws ExchangeError. `keys`: {key, secret} or null. */
export async function call(method, path, { body = null, keys = null } = {}) {
  const text = body === null ? "" : JSON.stringify(body);
  const headers = body === null ? {} : { "Content-Type": "application/json" };
  if (keys) Object.assign(headers, await signedHeaders(keys, method, path, text));
  const response = await send(path, { method, headers, body: text || undefined });
  return answerOf(response);
}

async function signedHeaders(keys, method, path, text) {
  const timestamp = newTimestamp();
  const signature = await sign(keys.secret, timestamp + method + path + text);
  return { "X-API-KEY": keys.key, "X-TIMESTAMP": timestamp, "X-SIGNATURE": signature };
}

async function send(path, request) {
  try {
    return await fetch(path, { ...request, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch {
    throw new ExchangeError({ code: "unreachable", message: "the exchange does not answer" });
  }
}

async function answerOf(response) {
  let answer;
  try {
    answer = await response.json();
  } catch {
    throw new ExchangeError({ code: `http_${response.status}`, message: response.statusText }, response.status);
  }
  if (!response.ok) throw new ExchangeError(answer.error ?? { code: `http_${response.status}` }, response.status);
  return answer;
}
