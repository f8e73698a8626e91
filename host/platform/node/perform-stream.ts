import type { MachineFileAction } from "../../control/actions.js";
import type { ExitReport } from "../../control/guest-end.js";
import type { StandardStreams } from "./standard-streams.js";
export async function performExport(
  _a: Extract<MachineFileAction, { action: "export" }>,
  _s: StandardStreams,
): Promise<ExitReport> {
  throw new Error("x");
}
export async function performImport(
  _a: Extract<MachineFileAction, { action: "import" }>,
  _s: StandardStreams,
): Promise<ExitReport> {
  throw new Error("x");
}
