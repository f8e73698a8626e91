import type { Cipher } from "./stream-format.js";

/** What of WebCrypto is used: the same in Node and in browsers. */
interface WebCrypto {
  readonly subtle: {
    importKey(
      format: "raw",
      key: Uint8Array,
      algorithm: "PBKDF2",
      extractable: false,
      usages: readonly "deriveKey"[],
    ): Promise<unknown>;
    deriveKey(
      algorithm: { name: "PBKDF2"; hash: "SHA-256"; salt: Uint8Array; iterations: number },
      key: unknown,
      derived: { name: "AES-GCM"; length: 256 },
      extractable: false,
      usages: readonly ("encrypt" | "decrypt")[],
    ): Promise<unknown>;
    encrypt(algorithm: AesGcm, key: unknown, bytes: Uint8Array): Promise<ArrayBuffer>;
    decrypt(algorithm: AesGcm, key: unknown, bytes: Uint8Array): Promise<ArrayBuffer>;
  };
}

interface AesGcm {
  readonly name: "AES-GCM";
  readonly iv: Uint8Array;
  readonly additionalData: Uint8Array;
}

/** AES-256-GCM under a key made of a passphrase by PBKDF2 with SHA-256. @param crypto the platform's WebCrypto */
export async function aesGcm(
  crypto: unknown,
  passphrase: Uint8Array,
  salt: Uint8Array,
  iterations: number,
): Promise<Cipher> {
  const { subtle } = crypto as WebCrypto;
  const material = await subtle.importKey("raw", passphrase, "PBKDF2", false, ["deriveKey"]);
  const derivation = { name: "PBKDF2", hash: "SHA-256", salt, iterations } as const;
  const key = await subtle.deriveKey(derivation, material, { name: "AES-GCM", length: 256 }, false, [
    "encrypt",
    "decrypt",
  ]);
  const algorithm = (iv: Uint8Array, additionalData: Uint8Array): AesGcm => ({ name: "AES-GCM", iv, additionalData });
  return {
    seal: async (nonce, additional, plain) =>
      new Uint8Array(await subtle.encrypt(algorithm(nonce, additional), key, plain)),
    open: async (nonce, additional, sealed) =>
      new Uint8Array(await subtle.decrypt(algorithm(nonce, additional), key, sealed)),
  };
}
