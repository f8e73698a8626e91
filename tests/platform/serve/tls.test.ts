/** A daemon with a certificate, as clients see it that trust the certificate, and as those that do not. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { viv } from "../viv-process.js";
import { TestDaemon, TestSocket } from "./harness.js";

const directory = mkdtempSync(join(tmpdir(), "viv-tls-"));
const [cert, key] = [join(directory, "cert.pem"), join(directory, "key.pem")];
const hasOpenssl = madeCertificate();

/** By an independent program; false without one. */
function madeCertificate(): boolean {
  const subject = ["-subj", "/CN=lab", "-addext", "subjectAltName=IP:127.0.0.1,DNS:lab.test"];
  const files = ["-keyout", key, "-out", cert];
  try {
    const what = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    execFileSync("openssl", [...what, ...subject, ...files], { stdio: "ignore" });
    return true;
  } catch {
    return (process.env.CI ?? "false") !== "false";
  }
}

afterAll(() => rmSync(directory, { recursive: true }));

// Needs the program openssl.
describe.skipIf(!hasOpenssl)("tls", () => {
  let daemon: TestDaemon;
  let ca: Buffer;
  beforeAll(async () => {
    ca = readFileSync(cert);
    daemon = await TestDaemon.open({ tlsCert: cert, tlsKey: key });
    await daemon.service.perform("machine.create", { name: "web" }, { principal: "local" });
  });
  afterAll(() => daemon?.close());

  function status(options: { readonly ca?: Buffer; readonly servername?: string; readonly maxVersion?: "TLSv1.1" }) {
    return new Promise<number>((resolve, reject) => {
      const headers = { Authorization: `Bearer ${daemon.token}` };
      const asked = request({
        host: "127.0.0.1",
        port: daemon.port,
        path: "/v1/host",
        headers,
        agent: false,
        ...options,
      });
      asked.on("response", (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      asked.on("error", reject);
      asked.end();
    });
  }

  test("requests are answered to who trusts the certificate, and to nobody else", async () => {
    expect(daemon.daemon.url).toMatch(/^https:/);
    expect(await status({ ca })).toBe(200);
    await expect(status({})).rejects.toMatchObject({ code: "DEPTH_ZERO_SELF_SIGNED_CERT" });
    await expect(status({ ca, maxVersion: "TLSv1.1" })).rejects.toThrow();
    // Without encryption there is no answer that would give anything away.
    await expect(daemon.ask("GET", "/v1/host")).rejects.toThrow();
  });

  test("consoles go over it as well", async () => {
    const url = `wss://127.0.0.1:${daemon.port}/v1/machines/web/console`;
    const socket = await TestSocket.open(new WebSocket(url, ["vivarium.v1", `bearer.${daemon.token}`], { ca }));
    daemon.service.print("web", Buffer.from("sealed"));
    await expect.poll(() => Buffer.concat(socket.binary).toString()).toContain("sealed");
    socket.socket.close();
  });

  test("viv trusts it by NODE_EXTRA_CA_CERTS, and says so where it does not", async () => {
    const env = { VIV_DATA_DIR: daemon.directory };
    expect(await viv(["ps"], { env: { ...env, NODE_EXTRA_CA_CERTS: cert } })).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("web"),
    });
    const distrustful = await viv(["ps"], { env });
    expect(distrustful.status).not.toBe(0);
    expect(distrustful.stderr).toMatch(/^viv: .*NODE_EXTRA_CA_CERTS=cert\.pem trusts its certificate\n$/);
  });
});
