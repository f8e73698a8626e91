import { element } from "./elements.js";

/** Asks before something that cannot be undone. */
export function confirm(question: string, yes: string): Promise<boolean> {
  const dialog = element("confirm", HTMLDialogElement);
  element("confirm-text", HTMLElement).textContent = question;
  element("confirm-yes", HTMLButtonElement).textContent = yes;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
