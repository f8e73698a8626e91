/**
 * The NAT's name server. Addresses of hosts (A, AAAA) come from the host's own resolver, so that names of its hosts
 * file work; other questions go to the host's name server as they are. RFC 1035.
 *
 *     id u16 | flags u16 | questions u16 | answers u16 | authorities u16 | additionals u16
 *     question: name | type u16 | class u16       answer: name | type | class | TTL s u32 | length u16 | data
 */
import { cidrContains } from "../address.js";
import { read16, write16, write32 } from "../octets.js";
import { NETWORK4, NETWORK6 } from "./addresses.js";
import type { EgressPolicy } from "./egress.js";
import type { NameAnswer, Outside } from "./outside.js";

const HEADER_BYTE_LENGTH = 12;
const TYPE_A = 1;
const TYPE_AAAA = 28;
const CLASS_IN = 1;
const FLAG_RESPONSE = 0x8000;
const FLAG_RECURSION_DESIRED = 0x0100;
const FLAG_RECURSION_AVAILABLE = 0x0080;
const OPCODE_MASK = 0x7800;
const RCODE_MASK = 0x000f;
const CODE_FORMAT_ERROR = 1;
const CODE_SERVER_FAILURE = 2;
const CODE_NO_SUCH_NAME = 3;
const CODE_REFUSED = 5;
const LABEL_MAX = 63;
const NAME_MAX = 253;
/** The host's resolver does not say for how long its answers hold. */
const TTL_SECONDS = 30;
/** A pointer to the name of the question. */
const POINTER_TO_QUESTION = 0xc00c;
const ANSWERS_MAX = 64;
/** Questions being looked up; more are lost, and guests ask again. */
const LOOKUPS_MAX = 256;

interface Question {
  /** Lower case, without the dot at its end; "" is the root. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** Where it ends in the message. */
  readonly end: number;
}

export class DnsServer {
  readonly #outside: Outside;
  readonly #egress: EgressPolicy;
  #lookupCount = 0;

  constructor(outside: Outside, egress: EgressPolicy) {
    this.#outside = outside;
    this.#egress = egress;
  }

  /** @returns the answer to a guest's message, or null when there is none. Never rejects. */
  async answer(message: Uint8Array): Promise<Uint8Array | null> {
    if (message.length < HEADER_BYTE_LENGTH || (read16(message, 2) & FLAG_RESPONSE) !== 0) return null;
    const question = readQuestion(message);
    if (question === null || (read16(message, 2) & OPCODE_MASK) !== 0) return failure(message, null, CODE_FORMAT_ERROR);
    if (!this.#egress.allowsName(question.name)) return failure(message, question, CODE_REFUSED);
    if (this.#lookupCount >= LOOKUPS_MAX) return null;
    this.#lookupCount++;
    try {
      return await this.#lookUp(message, question);
    } finally {
      this.#lookupCount--;
    }
  }

  async #lookUp(message: Uint8Array, question: Question): Promise<Uint8Array> {
    const isAddress = question.type === TYPE_A || question.type === TYPE_AAAA;
    if (!isAddress || question.class !== CLASS_IN || question.name === "") {
      return (await this.#outside.query(message)) ?? failure(message, question, CODE_SERVER_FAILURE);
    }
    const found = await this.#outside.resolve(question.name);
    return this.#answerAddresses(message, question, found);
  }

  #answerAddresses(message: Uint8Array, question: Question, found: NameAnswer): Uint8Array {
    switch (found.kind) {
      case "unknown":
        return failure(message, question, CODE_NO_SUCH_NAME);
      case "failed":
        return failure(message, question, CODE_SERVER_FAILURE);
      case "addresses": {
        const byteLength = question.type === TYPE_A ? 4 : 16;
        const addresses = found.addresses.filter(({ length }) => length === byteLength).slice(0, ANSWERS_MAX);
        // Whoever keeps an allowed name could have it lead to the router, which is this host.
        this.#egress.remember(question.name, addresses.filter(isOfOthers));
        return answerWith(message, question, addresses);
      }
    }
  }
}

function isOfOthers(address: Uint8Array): boolean {
  return ![NETWORK4, NETWORK6].some((own) => cidrContains(own, address));
}

/** The answer, cut to what a guest can take in a datagram: it then asks by TCP. */
export function truncateDns(answer: Uint8Array, byteLengthMax: number): Uint8Array {
  if (answer.length <= byteLengthMax) return answer;
  const question = readQuestion(answer);
  const cut = answer.slice(0, question?.end ?? HEADER_BYTE_LENGTH);
  cut[2]! |= 0x02;
  write16(cut, 4, question === null ? 0 : 1);
  cut.fill(0, 6, HEADER_BYTE_LENGTH);
  return cut;
}

const CLASSIC_BYTE_LENGTH = 512;
const TYPE_OPT = 41;

/** What the sender of a message can take: more than 512 bytes if it says so (RFC 6891 section 6.1.2). */
export function dnsByteLengthMax(message: Uint8Array): number {
  const question = readQuestion(message);
  // Behind the question, an OPT record begins with the root's name.
  const opt = question?.end ?? message.length;
  const hasOpt = opt + 5 <= message.length && read16(message, 10) > 0 && message[opt] === 0;
  if (!hasOpt || read16(message, opt + 1) !== TYPE_OPT) return CLASSIC_BYTE_LENGTH;
  return Math.max(CLASSIC_BYTE_LENGTH, read16(message, opt + 3));
}

/** Exactly one question is understood, as by every other server. */
function readQuestion(message: Uint8Array): Question | null {
  if (read16(message, 4) !== 1) return null;
  const labels: string[] = [];
  let offset = HEADER_BYTE_LENGTH;
  for (;;) {
    const length = message[offset];
    // A question's name stands in full: there is nothing before it to point to.
    if (length === undefined || length > LABEL_MAX) return null;
    offset++;
    if (length === 0) break;
    if (offset + length > message.length) return null;
    labels.push(String.fromCharCode(...message.subarray(offset, offset + length)));
    offset += length;
  }
  const name = labels.join(".").toLowerCase();
  if (offset + 4 > message.length || name.length > NAME_MAX || !labels.every(isHostLabel)) return null;
  return { name, type: read16(message, offset), class: read16(message, offset + 2), end: offset + 4 };
}

/** Letters that mean something to no resolver: no dot, space, control character or NUL. */
function isHostLabel(label: string): boolean {
  return /^[\x21-\x2d\x2f-\x7e]+$/.test(label);
}

function failure(message: Uint8Array, question: Question | null, code: number): Uint8Array {
  const answer = message.slice(0, question?.end ?? HEADER_BYTE_LENGTH);
  writeHeader(answer, question === null ? 0 : 1, 0, code);
  return answer;
}

function answerWith(message: Uint8Array, question: Question, addresses: readonly Uint8Array[]): Uint8Array {
  const recordByteLength = 12 + (question.type === TYPE_A ? 4 : 16);
  const answer = new Uint8Array(question.end + addresses.length * recordByteLength);
  answer.set(message.subarray(0, question.end));
  writeHeader(answer, 1, addresses.length, 0);
  let offset = question.end;
  for (const address of addresses) {
    write16(answer, offset, POINTER_TO_QUESTION);
    write16(answer, offset + 2, question.type);
    write16(answer, offset + 4, CLASS_IN);
    write32(answer, offset + 6, TTL_SECONDS);
    write16(answer, offset + 10, address.length);
    answer.set(address, offset + 12);
    offset += recordByteLength;
  }
  return answer;
}

function writeHeader(answer: Uint8Array, questionCount: number, answerCount: number, code: number): void {
  const asked = read16(answer, 2) & FLAG_RECURSION_DESIRED;
  write16(answer, 2, FLAG_RESPONSE | asked | FLAG_RECURSION_AVAILABLE | (code & RCODE_MASK));
  write16(answer, 4, questionCount);
  write16(answer, 6, answerCount);
  write16(answer, 8, 0);
  write16(answer, 10, 0);
}
