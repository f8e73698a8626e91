import type { WebSocket } from "ws";

const PING_MS = 30_000;

/** A peer whose computer is gone is noticed by its silence, and its socket ended. That is looked at until it closes. */
export function keepAlive(socket: WebSocket): void {
  let isAlive = true;
  socket.on("pong", () => {
    isAlive = true;
  });
  const pinger = setInterval(() => {
    if (!isAlive) socket.terminate();
    isAlive = false;
    socket.ping();
  }, PING_MS);
  pinger.unref();
  socket.once("close", () => clearInterval(pinger));
}
