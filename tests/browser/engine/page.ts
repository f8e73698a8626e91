/** Lets a test continue machines in a worker: see continue-machine.ts. */
import coreUrl from "../../../build/core.wasm?url";
import type { Continuation } from "./continuation.js";

async function continueMachine(file: string, instructions: number): Promise<Continuation> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const core = new URL(coreUrl, document.baseURI).href;
  worker.postMessage({ core, file: new URL(file, document.baseURI).href, instructions });
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
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

Object.assign(globalThis, { continueMachine, continuedFile });
