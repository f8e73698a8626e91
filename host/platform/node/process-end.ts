import { signalStatus } from "../../control/guest-end.js";

/** Signals whose default would end the program with the terminal still raw. */
const ENDING_SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const;

/** Calls `onEnd` with the number of an ending signal; the second one ends the program at once. */
export function listenForEnd(onEnd: (signal: number) => void): () => void {
  let asked = false;
  const removers = Object.entries(ENDING_SIGNALS).map(([name, number]) => {
    const listener = () => {
      if (asked) process.exit(signalStatus(number));
      asked = true;
      onEnd(number);
    };
    process.on(name, listener);
    return () => process.off(name, listener);
  });
  return () => {
    for (const remove of removers) remove();
  };
}
