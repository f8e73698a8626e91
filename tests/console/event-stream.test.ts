import { describe, expect, it } from "vitest";
import { messagesOf } from "../../web/console/client/event-stream.js";

const encoder = new TextEncoder();

async function read(...parts: readonly string[]): Promise<unknown[]> {
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const part of parts) controller.enqueue(encoder.encode(part));
      controller.close();
    },
  });
  const messages: unknown[] = [];
  for await (const message of messagesOf(stream)) messages.push(message);
  return messages;
}

describe("the console's event stream", () => {
  it("gives each message's data and the last id", async () => {
    expect(await read("id: 7\ndata: {}\n\ndata: x\n\n")).toEqual([
      { id: "7", data: "{}" },
      { id: "7", data: "x" },
    ]);
  });
  it("puts together what came in parts, also where a line's end or a character was cut", async () => {
    const bytes = encoder.encode("data: größe\r\n\r\n");
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
    const messages = [];
    for await (const message of messagesOf(stream)) messages.push(message.data);
    expect(messages).toEqual(["größe"]);
  });
  it("joins lines of data, and takes no notice of comments, other fields and what is not ended", async () => {
    expect(await read(": hello\nevent: x\ndata: a\ndata:b\nretry: 5\n\ndata: lost\n")).toEqual([
      { id: null, data: "a\nb" },
    ]);
  });
});
