import { RequestError } from "../client/connection.js";
import type { App } from "../parts/app-context.js";

/** Hands the machine's export to the browser, which keeps it as a file. */
export async function downloadMachine({ store, notices }: App, name: string): Promise<void> {
  const text = `Exporting ${name}`;
  const notice = notices.busy(text);
  try {
    const answer = await store.connection.request("GET", `/v1/machines/${encodeURIComponent(name)}/export`);
    const address = URL.createObjectURL(await answer.blob());
    const link = document.createElement("a");
    link.href = address;
    link.download = `${name}.vivx`;
    link.click();
    // The browser has taken it when the next turn of the loop comes; a minute is on the safe side.
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
    notice.close();
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    notice.fail(`${text}: ${error.message}`);
  }
}
