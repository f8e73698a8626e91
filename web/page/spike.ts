import coreUrl from "../../build/core.wasm?url";
const w = new Worker(new URL("./spike-worker.ts", import.meta.url), { type: "module" });
const t0 = performance.now();
const log: string[] = [];
(window as unknown as {spike: unknown}).spike = { log, w };
let out = "";
w.onmessage = (e) => { const d = e.data; if (d.out) { out += new TextDecoder().decode(d.out); if (out.includes("root@vivarium") && !log.some(l=>l.startsWith("prompt"))) log.push("prompt " + (performance.now()-t0)+ " " + JSON.stringify(d.instr)); } else log.push(JSON.stringify(d) + " " + (performance.now()-t0)); document.getElementById("t")!.textContent = out + log.join("\n"); };
w.postMessage({ core: new URL(coreUrl, document.baseURI).href, image: new URL("images/debian-mini/", document.baseURI).href });
