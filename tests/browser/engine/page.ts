/** Lets a test continue machines, and run histories again, in a worker. */
import coreUrl from "../../../build/core.wasm?url";
import type { Continuation } from "./continuation.js";
import type { Replayed } from "./replaying.js";
import type { Request } from "./worker.js";

function continueMachine(file: string, instructions: number): Promise<Continuation> {
  return ask(file, instructions);
}

function replayHistory(file: string): Promise<Replayed> {
  return ask(file, null);
}

function ask<T>(file: string, instructions: number | null): Promise<T> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const core = new URL(coreUrl, document.baseURI).href;
  worker.postMessage({ core, file: new URL(file, document.baseURI).href, instructions } satisfies Request);
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => {
      worker.terminate();
      resolve(data);
    };
    worker.onerror = ({ message }) => reject(new Error(message));
  });
}

/** As base64, so that any way of driving a browser can carry it. */
async function continuedFile(continuation: Continuation): Promise<string> {
  const reader = new FileReader();
  return new Promise((resolve) => {
    reader.onload = () => resolve(String(reader.result).replace(/^.*,/, ""));
    reader.readAsDataURL(new Blob([continuation.file as Uint8Array<ArrayBuffer>]));
  });
}

Object.assign(globalThis, { continueMachine, continuedFile, replayHistory });
