import { VivariumError } from "../util/errors.js";

/** @param problem a clause: what of the file is not as it was written */
export function damagedFile(problem: string): VivariumError {
  return new VivariumError("file/damaged", `the file is damaged: ${problem}`);
}

/** As `damagedFile`, of a stream that a machine travels in. */
export function damagedStream(problem: string): VivariumError {
  return new VivariumError("stream/damaged", `the stream is damaged: ${problem}`);
}
