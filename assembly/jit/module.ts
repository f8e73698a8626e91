import { Hart, hartAt, theMachine } from "../generated/hart";
import { FLOAT_HELPER_COUNT } from "../generated/translate";
import {
  pageToFetch,
  floatLevel,
  FLOATS_EXACT,
  FLOATS_INEXACT,
  MAX_REGIONS,
  noteRegionPage,
  OWN_PAGE,
  publish,
  regionOf,
  REWRITE_NONE,
  REWRITE_QUEUED,
  REWRITE_WRITTEN,
  STATE_KNOWN,
  STATE_QUEUED,
  STATE_READY,
  NO_MODULE,
  Region,
  STATE_REFUSED,
  STATE_WRITTEN,
  WINDOW_PAGES,
} from "./cache";
import { Emitter, FIRST_REGION_FUNCTION } from "./emit";
import { analyse } from "./flow";
import { decodedPageOf } from "../mmu/code";
import { tlbBase, USER_DATA } from "../mmu/tlb";
import { PRIVILEGE_USER } from "../shared/causes";
import * as helper from "./helpers";
import { OUTPUT_BASE, OUTPUT_END } from "../shared/jit-layout";
import { Build, buildAt, BUILD_END, discover } from "./region";
import { startSources } from "./sources";
import { Translator } from "./translator";
import * as w from "./wasm";

const TRANSLATOR_AT: u32 = BUILD_END + 0x10000;
const EMITTER_AT: u32 = TRANSLATOR_AT + 0x100;
const BUILD_AT: u32 = EMITTER_AT + 0x100;

/** Branch hints, all functions together. */
const HINTS_MAX: u32 = 0x200000;
/** Bodies are written here first; the sections that come before them depend on how many there are. */
const BODIES_BASE: u32 = OUTPUT_BASE + HINTS_MAX + 0x10000;
const HINTS_BASE: u32 = OUTPUT_BASE - HINTS_MAX;
/** Numbers of the regions of the module, u16 each. */
const CHOSEN_BASE: u32 = HINTS_BASE - 0x10000;
/** A region's body is at most so long. */
const BODY_MAX: u32 = 0x200000;
const MODULE_REGIONS_MAX: u32 = 500;

/**
 * Writes a module with the queued regions of one hart's address space, in linear memory at OUTPUT_BASE.
 *
 * @returns its length in bytes; 0 when there is nothing to translate
 */
export function translate(id: u32): u32 {
  const m = theMachine();
  if (m.queuedCount == 0) return 0;
  const h = hartAt(id);
  const t = changetype<Translator>(<usize>TRANSLATOR_AT);
  const b = buildAt(BUILD_AT);
  const e = changetype<Emitter>(<usize>EMITTER_AT);
  e.t = t;
  e.b = b;
  e.h = h;
  t.at = BODIES_BASE;
  e.bodiesStart = BODIES_BASE;
  startSources();
  t.hintsEnd = HINTS_BASE;
  t.hasFusedMultiplyAdd = m.hasFusedMultiplyAdd;
  t.onlyHart = m.hartCount == 1 ? <u32>changetype<usize>(h) : 0;
  t.dataBank = t.onlyHart != 0 && h.privilege == PRIVILEGE_USER ? tlbBase(h) + USER_DATA : 0;
  const firstSlot = m.tableSize;
  const count = chooseRegions(h);
  if (count == 0) return 0;
  m.compilingCount = 1;
  for (let n: u32 = 0; n < count; n++) {
    const region = regionOf(chosen(n));
    if (hasRoom(t) && discover(b, h, region)) emitRegion(h, b, t, e, n);
    else emitNothing(t, region);
  }
  m.tableSize = firstSlot + count;
  m.moduleNumber = m.moduleNumber + 1;
  return writeModule(t, firstSlot, count, t.at - BODIES_BASE);
}

/** Whether another body and its hints fit: hints take far less than a tenth of the body. */
@inline function hasRoom(t: Translator): bool {
  return t.at + BODY_MAX <= OUTPUT_END && t.hintsEnd + BODY_MAX / 8 <= HINTS_BASE + HINTS_MAX;
}

@inline function chosen(n: u32): u32 {
  return load<u16>(<usize>(CHOSEN_BASE + (n << 1)));
}

/** Decides which regions become the module's functions, so that they can call each other. @returns how many */
function chooseRegions(h: Hart): u32 {
  const m = theMachine();
  let count: u32 = 0;
  const known = m.regionCount;
  let n: u32 = 0;
  for (; n < known && count < MODULE_REGIONS_MAX; n++) {
    const region = regionOf(n);
    const isNew = region.state == STATE_QUEUED;
    if (!isNew && region.rewrite != REWRITE_QUEUED) continue;
    region.rewrite = REWRITE_NONE;
    if (!isNew && region.state != STATE_READY) continue;
    // Another address space may be in force than when it was asked for; it will be again.
    if (pageToFetch(h, region.pc) != region.page(OWN_PAGE)) {
      if (isNew) region.state = STATE_KNOWN;
      continue;
    }
    if (isNew) region.state = STATE_WRITTEN;
    else region.rewrite = REWRITE_WRITTEN;
    region.module = m.moduleNumber;
    region.nextTableIndex = m.tableSize + count;
    store<u16>(<usize>(CHOSEN_BASE + (count << 1)), <u16>n);
    count++;
  }
  // What is left when the module is full has its turn next time; what died while it waited counts no more.
  if (n == known) m.queuedCount = 0;
  return count;
}

function emitRegion(h: Hart, b: Build, t: Translator, e: Emitter, n: u32): void {
  const region = b.region;
  if (b.floatLevel == FLOATS_EXACT && floatLevel(h) == FLOATS_INEXACT) b.floatLevel = FLOATS_INEXACT;
  t.mustNoteInexact = b.floatLevel == FLOATS_INEXACT ? 0 : 1;
  analyse(b);
  // Hints of a function: its index and their number come before them.
  const hintsAt = t.hintsEnd;
  t.hintsEnd += 10;
  t.hintCount = 0;
  e.emit();
  fillHints(hintsAt, FIRST_REGION_FUNCTION + n, t.hintCount);
  region.translations += 1;
  region.nextNeed = b.block(0).path;
  region.nextFloatLevel = b.floatLevel;
  if (t.dataBank != 0) region.isUser = 1;
  for (let k: u32 = 0; k < WINDOW_PAGES; k++) {
    if (region.page(k) == 0) continue;
    noteRegionPage(region.pc + ((<u64>k - OWN_PAGE) << 12));
    // Until the region is published, this is by what stores to a page that was never executed are noticed.
    decodedPageOf(region.page(k) - 1);
  }
}

/** A function that is never entered, in the place of a region that cannot be translated. */
function emitNothing(t: Translator, region: Region): void {
  if (region.state == STATE_WRITTEN) region.state = STATE_REFUSED;
  region.rewrite = REWRITE_NONE;
  region.module = NO_MODULE;
  const place = t.reserve();
  t.unsigned(0);
  t.i64(<i64>region.pc);
  t.op(w.END);
  t.fill(place);
  // The hints have an entry a function.
  fillHints(t.hintsEnd, FIRST_REGION_FUNCTION + region.nextTableIndex - theMachine().tableSize, 0);
  t.hintsEnd += 10;
}

/** The regions of the module the host has instantiated may be entered from now on. */
export function regionsReady(): void {
  const m = theMachine();
  for (let n: u32 = 0; n < m.regionCount; n++) publish(regionOf(n));
  m.compilingCount = 0;
}

/** Whether no more regions can be made before all are forgotten. */
export function isFull(): bool {
  return theMachine().regionCount >= MAX_REGIONS;
}

// ---- sections ----

const TYPE_REGION: u32 = 0;
const TYPE_LOAD: u32 = 1;
const TYPE_STORE: u32 = 2;
const TYPE_STEP: u32 = 3;
const TYPE_CALL: u32 = 4;
const TYPE_BINARY: u32 = 5;
const TYPE_FLOAT: u32 = 6;
const TYPE_COLD: u32 = 7;

function writeModule(t: Translator, firstSlot: u32, count: u32, bodiesLength: u32): u32 {
  t.at = OUTPUT_BASE;
  store<u64>(<usize>OUTPUT_BASE, 0x000000016d736100); // magic and version
  t.at += 8;
  writeTypes(t);
  writeImports(t, firstSlot + count);
  const functions = begin(t, 3);
  t.unsigned(count);
  for (let n: u32 = 0; n < count; n++) t.unsigned(TYPE_REGION);
  t.fill(functions);
  const elements = begin(t, 9);
  t.unsigned(1);
  t.unsigned(0);
  t.i32(firstSlot);
  t.op(w.END);
  t.unsigned(count);
  for (let n: u32 = 0; n < count; n++) t.unsigned(FIRST_REGION_FUNCTION + n);
  t.fill(elements);
  const hints = begin(t, 0);
  writeText(t, "metadata.code.branch_hint");
  t.unsigned(count);
  memory.copy(<usize>t.at, <usize>HINTS_BASE, <usize>(t.hintsEnd - HINTS_BASE));
  t.at += t.hintsEnd - HINTS_BASE;
  t.fill(hints);
  const code = begin(t, 10);
  t.unsigned(count);
  memory.copy(<usize>t.at, <usize>BODIES_BASE, <usize>bodiesLength);
  t.at += bodiesLength;
  t.fill(code);
  return t.at - OUTPUT_BASE;
}

/** Writes two numbers, in five bytes each, where room was left for them. */
function fillHints(at: u32, functionIndex: u32, hintCount: u32): void {
  for (let n: u32 = 0; n < 5; n++) {
    const more: u32 = n < 4 ? 0x80 : 0;
    store<u8>(<usize>(at + n), <u8>(((functionIndex >> (7 * n)) & 0x7f) | more));
    store<u8>(<usize>(at + 5 + n), <u8>(((hintCount >> (7 * n)) & 0x7f) | more));
  }
}

function writeText(t: Translator, text: string): void {
  t.unsigned(text.length);
  for (let n = 0; n < text.length; n++) t.byte(text.charCodeAt(n));
}

function begin(t: Translator, section: u32): u32 {
  t.byte(section);
  return t.reserve();
}

/** @param parameters value types, a byte each, the first lowest; 0 ends them */
function writeType(t: Translator, parameters: u32, result: u32): void {
  t.byte(0x60);
  let count: u32 = 0;
  for (let rest = parameters; rest != 0; rest >>= 8) count++;
  t.unsigned(count);
  for (let rest = parameters; rest != 0; rest >>= 8) t.byte(rest & 0xff);
  t.unsigned(result == 0 ? 0 : 1);
  if (result != 0) t.byte(result);
}

function writeTypes(t: Translator): void {
  const types = begin(t, 1);
  t.unsigned(8);
  writeType(t, 0x7f7f, w.TYPE_I64); // region: hart, depth; extendAndUnwind: hart, registers
  writeType(t, 0x7f7e7f, w.TYPE_I64); // load: hart, vaddr, byteLength
  writeType(t, 0x7f7e7e7f, 0); // store: hart, vaddr, value, byteLength
  writeType(t, 0x7e7e7f, w.TYPE_I32); // step: hart, pc, instruction
  writeType(t, 0x7e7f7e7f, w.TYPE_I64); // call: hart, pc, depth, next
  writeType(t, 0x7e7e, w.TYPE_I64); // binary
  writeType(t, 0x7e7f, 0); // float: hart, instruction
  writeCold(t);
  t.fill(types);
}

/** Of leaveCold: hart, pc, depth, next, region. */
function writeCold(t: Translator): void {
  t.byte(0x60);
  t.unsigned(5);
  t.bytes2(w.TYPE_I32, w.TYPE_I64);
  t.bytes2(w.TYPE_I32, w.TYPE_I64);
  t.byte(w.TYPE_I32);
  t.unsigned(1);
  t.byte(w.TYPE_I64);
}

function writeImports(t: Translator, tableSize: u32): void {
  const imports = begin(t, 2);
  t.unsigned(2 + helper.FIRST_FLOAT + FLOAT_HELPER_COUNT);
  writeName(t, 0);
  t.bytes2(2, 0); // a memory
  t.unsigned(1);
  writeName(t, 1);
  t.bytes2(1, 0x70); // a table of functions
  t.byte(0);
  t.unsigned(tableSize);
  for (let n: u32 = 0; n < helper.FIRST_FLOAT + FLOAT_HELPER_COUNT; n++) {
    writeName(t, 2 + n);
    t.byte(0);
    t.unsigned(typeOfHelper(n));
  }
  t.fill(imports);
}

function typeOfHelper(n: u32): u32 {
  if (n >= helper.FIRST_FLOAT) return TYPE_FLOAT;
  if (n == helper.LOAD) return TYPE_LOAD;
  if (n == helper.STORE) return TYPE_STORE;
  if (n == helper.STEP || n == helper.CSR || n == helper.FLAGS) return TYPE_STEP;
  if (n == helper.CALL_REGION) return TYPE_CALL;
  if (n == helper.EXTEND_AND_UNWIND) return TYPE_REGION;
  if (n == helper.LEAVE_COLD) return TYPE_COLD;
  return TYPE_BINARY;
}

/** Imports are called "e" "000", "e" "001" and so on, in hexadecimal. */
function writeName(t: Translator, n: u32): void {
  t.bytes2(1, 0x65);
  t.byte(3);
  t.byte(hexDigit((n >> 8) & 15));
  t.byte(hexDigit((n >> 4) & 15));
  t.byte(hexDigit(n & 15));
}

function hexDigit(value: u32): u32 {
  return value < 10 ? 0x30 + value : 0x57 + value;
}
