import type { Server } from "node:http";
import type { Socket } from "node:net";

export interface ConnectionLimits {
  /** Connections that may be open. */
  readonly max: number;
  /** How long one may be open before it asks for something the first time. */
  readonly silentMs: number;
}

/** Between what we close and what the server refuses by itself: connections come several at a time. */
const MARGIN = 64;

/**
 * Keeps room for those who ask. Node's time for the head of a request begins with its first byte, and when all
 * connections are taken it refuses new ones: who opens enough of them and says nothing would keep everybody else out. So
 * the connections that nobody asks anything on make room, the oldest first.
 */
export function keepRoom(server: Server, { max, silentMs }: ConnectionLimits): void {
  /** Those without a request now, by their peer: with TLS a request names another socket than the connection. */
  const idle = new Map<string, Socket>();
  const silent = new Map<string, NodeJS.Timeout>();
  let count = 0;
  const asks = (peer: string): void => {
    clearTimeout(silent.get(peer));
    silent.delete(peer);
    idle.delete(peer);
  };
  const closeOldest = (): void => {
    for (const [peer, socket] of idle) {
      idle.delete(peer);
      socket.destroy();
      return;
    }
  };
  server.maxConnections = max;
  server.on("connection", (socket: Socket) => {
    const peer = peerOf(socket);
    count++;
    idle.set(peer, socket);
    silent.set(
      peer,
      setTimeout(() => socket.destroy(), silentMs),
    );
    socket.once("close", () => {
      count--;
      asks(peer);
    });
    if (count > max - MARGIN) closeOldest();
  });
  server.on("request", ({ socket }, response) => {
    const peer = peerOf(socket);
    const connection = idle.get(peer);
    asks(peer);
    response.once("close", () => {
      if (connection !== undefined && !connection.destroyed) idle.set(peer, connection);
    });
  });
  server.on("upgrade", ({ socket }) => asks(peerOf(socket as Socket)));
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
