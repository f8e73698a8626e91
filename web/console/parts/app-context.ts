import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { ActionInput, ActionName, ActionOutput } from "../../../host/control/hypervisor/actions.js";
import { RequestError } from "../client/connection.js";
import type { Store } from "../client/store.js";
import type { Notices } from "./notices.js";

export interface App {
  readonly store: Store;
  readonly notices: Notices;
  signOut(): void;
}

export const AppContext = createContext<App | null>(null);

export function useApp(): App {
  const app = useContext(AppContext);
  if (app === null) throw new Error("no App around this component");
  return app;
}

/**
 * Does an action; shows how far it is and what becomes of it.
 *
 * @param text what is done, for people: `Starting web`
 * @returns its result, or null when it was refused, which the person then knows
 */
export async function act<A extends ActionName>(
  { store, notices }: App,
  text: string,
  action: A,
  input: ActionInput<A>,
): Promise<{ readonly result: ActionOutput<A> } | null> {
  const notice = notices.busy(text);
  try {
    const result = await store.connection.perform(action, input, (progress, message) => {
      notice.update(message === "" ? text : `${text}: ${message}`, progress);
    });
    notice.close();
    return { result };
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    notice.fail(`${text}: ${error.message}`);
    return null;
  } finally {
    await store.refresh();
  }
}
