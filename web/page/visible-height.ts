/** Keeps the page as high as what an on-screen keyboard leaves of the window. */
export function followVisibleHeight(): void {
  const viewport = window.visualViewport;
  if (viewport === null) return;
  const update = (): void => {
    // Zoomed in, the page stays as it is and is moved about.
    if (viewport.scale > 1) return;
    document.body.style.setProperty("--visible-height", `${viewport.height}px`);
  };
  viewport.addEventListener("resize", update);
  update();
}
