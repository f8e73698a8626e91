import { createHash } from "node:crypto";
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";

const READ = 1;
const WRITE = 2;
const DATA = 3;
const ACK = 4;
const OPTION_ACK = 6;

interface Transfer {
  readonly blockByteLength: number;
  readonly parts: Buffer[];
}

/** One file over TFTP, with the block size the client asks for: RFC 1350, RFC 2347, RFC 2348. All from one port. */
export class TftpServer {
  /** SHA-256 of what was last uploaded. */
  uploaded = "";
  readonly #socket: Socket;
  readonly #file: Uint8Array;
  readonly #transfers = new Map<string, Transfer>();

  private constructor(socket: Socket, file: Uint8Array) {
    this.#socket = socket;
    this.#file = file;
    socket.on("message", (message, from) => this.#receive(message, from));
  }

  static async open(file: Uint8Array): Promise<TftpServer> {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
    return new TftpServer(socket, file);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  close(): void {
    this.#socket.close();
  }

  #receive(message: Buffer, from: RemoteInfo): void {
    const client = `${from.address}:${from.port}`;
    const block = message.readUInt16BE(2);
    switch (message.readUInt16BE(0)) {
      case READ:
      case WRITE: {
        const words = message.subarray(2).toString().split("\0");
        const option = words.indexOf("blksize");
        const blockByteLength = option < 0 ? 512 : Number(words[option + 1]);
        this.#transfers.set(client, { blockByteLength, parts: [] });
        if (option >= 0) this.#socket.send(Buffer.from(`\0\x06blksize\0${blockByteLength}\0`), from.port, from.address);
        else if (message.readUInt16BE(0) === READ) this.#sendBlock(client, 1, from);
        else this.#acknowledge(0, from);
        return;
      }
      case ACK:
        this.#sendBlock(client, block + 1, from);
        return;
      case DATA:
        this.#takeBlock(client, block, message.subarray(4), from);
        return;
      case OPTION_ACK:
        return;
    }
  }

  #sendBlock(client: string, block: number, from: RemoteInfo): void {
    const { blockByteLength = 512 } = this.#transfers.get(client) ?? {};
    const start = (block - 1) * blockByteLength;
    if (start > this.#file.length) return;
    const head = Buffer.from([0, DATA, block >> 8, block & 0xff]);
    const data = this.#file.subarray(start, start + blockByteLength);
    this.#socket.send(Buffer.concat([head, data]), from.port, from.address);
  }

  #takeBlock(client: string, block: number, data: Buffer, from: RemoteInfo): void {
    const transfer = this.#transfers.get(client);
    if (transfer === undefined) return;
    transfer.parts[block - 1] = Buffer.from(data);
    this.#acknowledge(block, from);
    if (data.length === transfer.blockByteLength) return;
    this.uploaded = createHash("sha256").update(Buffer.concat(transfer.parts)).digest("hex");
  }

  #acknowledge(block: number, from: RemoteInfo): void {
    this.#socket.send(Buffer.from([0, ACK, block >> 8, block & 0xff]), from.port, from.address);
  }
}
