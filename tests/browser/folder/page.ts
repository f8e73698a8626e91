/** Lets a test call a folder over the browser's private file system, and all that it hands out. */
import { HandleFolder } from "../../../host/platform/browser/share/handle-folder.js";
import { FolderError } from "../../../host/share/errno.js";

/** What calls are about: the test knows them by their numbers. */
const objects: unknown[] = [];

/** What came of a call. Bytes are base64 on the way. */
export type CallResult =
  | { readonly errno: number }
  | { readonly value: unknown; readonly base64?: string }
  | { readonly object: number };

async function openFolder(name: string): Promise<number> {
  const root = await navigator.storage.getDirectory();
  const directory = await root.getDirectoryHandle(name, { create: true });
  return objects.push(await HandleFolder.open(directory, false)) - 1;
}

/** @param into how many bytes the call may fill in its last argument; null when it takes none */
async function callFolder(
  object: number,
  method: string,
  given: readonly unknown[],
  into: number | null,
): Promise<CallResult> {
  const target = objects[object] as Record<string, (...given: unknown[]) => unknown>;
  const buffer = into === null ? null : new Uint8Array(into);
  const read = given.map((argument) => {
    const { object: reference, base64 } = Object(argument) as { object?: number; base64?: string };
    if (base64 !== undefined) return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    return reference === undefined ? argument : objects[reference];
  });
  try {
    const value = await target[method]!(...read, ...(buffer === null ? [] : [buffer]));
    if (typeof value === "object" && value !== null && "close" in value) return { object: objects.push(value) - 1 };
    if (buffer === null) return { value };
    return { value, base64: btoa(Array.from(buffer, (byte) => String.fromCharCode(byte)).join("")) };
  } catch (error) {
    if (error instanceof FolderError) return { errno: error.errno };
    throw new Error(`${method}: ${(error as Error).name} ${(error as Error).message}`);
  }
}

Object.assign(globalThis, { openFolder, callFolder });
