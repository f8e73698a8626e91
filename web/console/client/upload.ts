import type { OperationView } from "../../../host/control/hypervisor/schemas.js";
import { type Connection, type OnProgress, RequestError } from "./connection.js";

const PART_BYTE_LENGTH = 4 * 1024 * 1024;
const RETRIES = 5;
const RETRY_MS = 1000;

/**
 * Sends a machine's file in parts. A part that is lost is sent again from where the daemon has it to.
 *
 * @throws RequestError
 */
export async function importMachine(
  connection: Connection,
  file: File,
  name: string,
  passphrase: string,
  onProgress: OnProgress,
): Promise<void> {
  const body = JSON.stringify({ name, byteLength: file.size });
  const begun = (await (await connection.request("POST", "/v1/imports", { body })).json()) as { readonly id: string };
  const path = `/v1/imports/${encodeURIComponent(begun.id)}`;
  let offset = 0;
  let failures = 0;
  while (offset < file.size) {
    onProgress(offset / file.size, "Sending");
    const part = file.slice(offset, offset + PART_BYTE_LENGTH);
    const headers = { "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(offset) };
    try {
      const answer = await connection.request("PATCH", path, { headers, body: part });
      offset = Number(answer.headers.get("Upload-Offset"));
      failures = 0;
    } catch (error) {
      const isLost = error instanceof RequestError && (error.status === 0 || error.status === 409);
      if (!isLost || ++failures > RETRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, failures * RETRY_MS));
      const answer = await connection.request("HEAD", path).catch(() => null);
      offset = Number(answer?.headers.get("Upload-Offset") ?? offset);
    }
  }
  onProgress(null, "Opening");
  // A header is not Unicode, so the passphrase goes as Base64 of its UTF-8.
  const encoded = btoa(String.fromCharCode(...new TextEncoder().encode(passphrase)));
  const headers: HeadersInit = passphrase === "" ? {} : { "Vivarium-Passphrase": encoded };
  const finished = await connection.request("POST", `${path}/finish`, { headers });
  await connection.follow((await finished.json()) as OperationView, onProgress);
}
