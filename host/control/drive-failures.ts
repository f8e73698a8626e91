/** Lines about one drive, at the most: what fails once fails often. */
const LINES_MAX = 8;

/**
 * Tells the operator why requests of a drive fail, each reason once. The guest only hears of an I/O error.
 *
 * @param line shows a line
 */
export function driveFailures(drive: string, line: (text: string) => void): (error: unknown) => void {
  const told = new Set<string>();
  return (error) => {
    const reason = (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, " ");
    if (told.has(reason) || told.size === LINES_MAX) return;
    told.add(reason);
    line(`viv: ${drive}: a request failed: ${reason}`);
  };
}
