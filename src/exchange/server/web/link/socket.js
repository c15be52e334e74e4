// One WebSocket to the exchange that comes back by itself, and requests on it with their replies.

import { ExchangeError } from "./rest.js";

const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 4000;
const SILENCE_MS_MAX = 6000; // the heartbeat comes once a second
const REPLY_MS_MAX = 8000;
const PING_EVERY_MS = 1000;

/** `onOpen()` when connected, `onMessage(message)` for the feed, `onStatus(status)`, `onPing(ms)`. */
export class Socket {
  constructor(path, hooks) {
    this.url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
    this.hooks = hooks;
    this.waiting = new Map(); // request id -> {resolve, reject, timer}
    this.nextId = 1;
    this.retryMs = RETRY_MS_MIN;
    this.heardMs = 0;
    setInterval(() => this.beat(), PING_EVERY_MS);
  }

  connect() {
    this.heardMs = performance.now();
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.onopen = () => this.opened(socket);
    socket.onmessage = (frame) => socket === this.socket && this.received(frame);
    socket.onclose = () => socket === this.socket && this.closed();
  }

  opened(socket) {
    if (socket !== this.socket) return;
    this.retryMs = RETRY_MS_MIN;
    this.hooks.onOpen();
  }

  received(frame) {
    this.heardMs = performance.now();
    const message = JSON.parse(frame.data);
    if (message.channel !== undefined) this.hooks.onMessage(message);
    else this.answered(message);
  }

  answered(reply) {
    const request = this.waiting.get(reply.re);
    if (!request) return;
    this.waiting.delete(reply.re);
    clearTimeout(request.timer);
    if (reply.error) request.reject(new ExchangeError(reply.error));
    else request.resolve(reply.result);
  }

  closed() {
    this.socket = null;
    this.failWaiting();
    this.hooks.onStatus("reconnecting");
    this.retry = setTimeout(() => this.connect(), this.retryMs * (0.75 + Math.random() / 2));
    this.retryMs = Math.min(this.retryMs * 2, RETRY_MS_MAX);
  }

  failWaiting() {
    for (const request of this.waiting.values()) {
      clearTimeout(request.timer);
      request.reject(lost());
    }
    this.waiting.clear();
  }

  /** Start a fresh connection at once. */
  reconnect() {
    const old = this.socket;
    this.socket = null;
    this.retryMs = RETRY_MS_MIN;
    old?.close();
    this.failWaiting();
    clearTimeout(this.retry);
    this.connect();
  }

  get open() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  /** Send a command; its result, or an ExchangeError. */
  request(op, fields = {}) {
    if (!this.open) return Promise.reject(lost());
    const id = this.nextId++;
    const reply = new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(id);
        reject(new ExchangeError({ code: "no_reply", message: "the exchange has not replied in time", retryable: true }));
      }, REPLY_MS_MAX);
      this.waiting.set(id, { resolve, reject, timer });
    });
    this.socket.send(JSON.stringify({ op, id, ...fields }));
    return reply;
  }

  /** Once a second: measure the round trip, and give up a connection that has gone silent. */
  beat() {
    if (!this.open) return;
    const sentMs = performance.now();
    if (sentMs - this.heardMs > SILENCE_MS_MAX) {
      const silent = this.socket;
      this.closed();
      silent.close();
      return;
    }
    this.request("ping").then(() => this.hooks.onPing(performance.now() - sentMs), () => {});
  }
}

function lost() {
  return new ExchangeError({ code: "disconnected", message: "not connected to the exchange", retryable: true });
}
