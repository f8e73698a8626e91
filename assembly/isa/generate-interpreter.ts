import { functionName, type Operation, operations } from "./operations.js";

/** Decode-cache bytes from one entry to the next: 8 a halfword. */
const ENTRY_STEP = { wide: 16, compressed: 8 } as const;

/**
 * Text of generated/interpret.ts: the fetch-decode-perform loop with one case an operation.
 *
 * It is generated because a case needs the loop's own locals, which an inlined function cannot reach: the step to the
 * next entry, the near jump and the exit from the loop are constants of each case.
 */
export function generateInterpreter(): string {
  const files = new Map<string, string[]>();
  for (const { instruction } of operations) {
    const names = files.get(instruction.file) ?? [];
    const name = functionName(instruction.mnemonic);
    if (!names.includes(name)) files.set(instruction.file, [...names, name]);
  }
  const imports = [...files].map(([file, names]) => `import { ${names.join(", ")} } from "../semantics/${file}";`);
  return `import { imm } from "../semantics/operands";
import { Interpreter } from "../interpreter/target";
import { OPERATION_MASK } from "../shared/decoded";
import { decodeEntry, enterCrossing, enterPage, leaveForIllegal, pcAt } from "../interpreter/fetch";
import { enterJump, enterRegion, enterTarget, noteTurn, TURN_HEAT } from "../jit/dispatch";
import * as op from "./operations";
${imports.join("\n")}

/**
 * Executes from decode entry \`ip\` until the countdown is used up, a trap is pending, or an instruction after which
 * anything may have changed was executed. Leaves pc and countdown in the hart.
 */
export function interpret(t: Interpreter, ip: usize): void {
  let countdown: u32 = t.countdown;
  let step: usize = 0;
  while (countdown != 0) {
    const i = load<u64>(ip);
    --countdown;
    switch (<u32>i & OPERATION_MASK) {
      case op.OP_UNDECODED:
        ++countdown;
        decodeEntry(ip);
        continue;
      case op.OP_ILLEGAL:
        leaveForIllegal(t, ip);
        break;
      case op.OP_PAGE_END:
        ++countdown;
        ip = enterPage(t, pcAt(t, ip));
        if (ip != 0) continue;
        t.countdown = countdown;
        return;
      case op.OP_CROSSING:
        ++countdown;
        ip = enterCrossing(t, ip);
        if (ip != 0) continue;
        t.countdown = countdown;
        return;
      case op.OP_REGION:
        t.countdown = countdown + 1;
        ip = enterRegion(t, ip, imm(i));
        countdown = t.countdown;
        if (ip != 0) continue;
        return;
${operations.map(operationCase).join("\n")}
      default:
        unreachable();
    }
    // Only an instruction that trapped or asked for attention comes here.
    if (t.trapped()) {
      ++countdown;
      step = 0;
    }
    t.pc = pcAt(t, ip + step);
    t.countdown = countdown;
    return;
  }
  t.pc = pcAt(t, ip);
  t.countdown = countdown;
}
`;
}

function operationCase(operation: Operation): string {
  const { instruction } = operation;
  const step = operation.isCompressed ? ENTRY_STEP.compressed : ENTRY_STEP.wide;
  const name = functionName(instruction.mnemonic);
  const lines = caseLines(operation, name, step);
  return [`      case op.${operation.constant}:`, ...lines.map((line) => `        ${line}`)].join("\n");
}

function caseLines(operation: Operation, name: string, step: number): string[] {
  const orLeave = ["if (ip != 0) continue;", "t.countdown = countdown;", "return;"];
  const near = ["ip += <usize>(imm(i) << 2);", ...(operation.isBackward ? ["noteTurn(t, ip);"] : [])];
  switch (operation.instruction.kind) {
    case "integer":
      return [`${name}<Interpreter>(t, i);`, `ip += ${step};`, "continue;"];
    case "relative":
      return ["t.ip = <u32>ip;", `${name}<Interpreter>(t, i);`, `ip += ${step};`, "continue;"];
    case "branch": {
      const taken = operation.isNear
        ? [...near, "continue;"]
        : ["ip = enterTarget(t, pcAt(t, ip) + imm(i), TURN_HEAT);", ...orLeave];
      return [`if (${name}<Interpreter>(t, i)) {`, ...taken.map((l) => `  ${l}`), "}", `ip += ${step};`, "continue;"];
    }
    case "jump": {
      const set = ["t.ip = <u32>ip;", `t.instructionByteLength = ${step >> 2};`];
      if (operation.isNear) return [...set, `${name}<Interpreter>(t, i);`, ...near, "continue;"];
      return [...set, `ip = enterJump(t, i, ${name}<Interpreter>(t, i));`, ...orLeave];
    }
    case "memory":
    case "atomic":
      // A device that is asked for the time must see it as of this instruction.
      return ["t.countdown = countdown;", `${name}<Interpreter>(t, i);`, ...continueUnlessEvent(step)];
    case "float":
      return [`${name}<Interpreter>(t, i);`, ...continueUnlessEvent(step)];
    case "plain":
      return [`${name}(t, i);`, ...continueUnlessEvent(step)];
    case "system":
      return [
        "t.ip = <u32>ip;",
        "t.countdown = countdown;",
        `t.pc = pcAt(t, ip + ${step});`,
        `${name}(t, i);`,
        "if (!t.trapped()) return;",
        "break;",
      ];
  }
}

function continueUnlessEvent(step: number): string[] {
  return ["if (t.event == 0) {", `  ip += ${step};`, "  continue;", "}", `step = ${step};`, "break;"];
}
