import { describe, expect, test } from "vitest";
import { admit } from "../../../host/hypervisor/scheduling/admission.js";
import { policyOf, type Scenario } from "./simulation.js";

const machine = (name: string, reservation: number, pool = "root", limit: number | null = null) => {
  return { name, pool, cpu: { reservation, limit } };
};

function refusal(scenario: Scenario, workers: number): string {
  try {
    admit(policyOf(scenario), workers);
  } catch (error) {
    expect(error).toMatchObject({ code: "admission/processors" });
    return (error as Error).message;
  }
  return "";
}

describe("admission", () => {
  test("lets in what fits, to the last bit, and says what is reserved in all", () => {
    const machines = [machine("a", 0.1), machine("b", 0.2), machine("c", 0.7), machine("d", 1)];
    expect(admit(policyOf({ machines }), 2)).toBeCloseTo(2, 9);
  });

  test("refuses more than the host has", () => {
    const machines = [machine("a", 0.7), machine("b", 0.4)];
    expect(refusal({ machines }, 1)).toBe(
      "all machines and pools: the host has 1 processors, and 1.1 would be reserved",
    );
  });

  test("counts a pool as what it reserves or what its members do, whichever is more", () => {
    const pools = [{ name: "p", cpu: { reservation: 0.5 } }];
    expect(refusal({ pools, machines: [machine("a", 0.4, "p"), machine("b", 0.5)] }, 1)).toBe("");
    expect(refusal({ pools, machines: [machine("a", 0.4, "p"), machine("b", 0.6)] }, 1)).not.toBe("");
    expect(refusal({ pools, machines: [machine("a", 0.6, "p"), machine("b", 0.4)] }, 1)).toBe("");
    expect(refusal({ pools, machines: [machine("a", 0.6, "p"), machine("b", 0.5)] }, 1)).not.toBe("");
  });

  test("refuses what goes beyond the limit of a pool, at any depth", () => {
    const pools = [
      { name: "outer", cpu: { limit: 0.5 } },
      { name: "inner", parent: "outer" },
    ];
    const machines = [machine("a", 0.3, "inner"), machine("b", 0.3, "inner")];
    expect(refusal({ pools, machines }, 4)).toBe("pool outer: its limit is 0.5 processors, and 0.6 would be reserved");
  });

  test("refuses a machine more than it can use", () => {
    expect(refusal({ machines: [machine("a", 0.5, "root", 0.4)] }, 4)).toBe(
      "machine a: it can use 0.4 processors, and 0.5 would be reserved",
    );
    expect(refusal({ machines: [machine("a", 1.5)] }, 4)).toBe(
      "machine a: it can use 1 processors, and 1.5 would be reserved",
    );
  });

  test("refuses a machine that no one worker has room for, although all together have", () => {
    const machines = [machine("a", 0.6), machine("b", 0.6), machine("c", 0.6)];
    expect(refusal({ machines }, 2)).toBe(
      "machine c: a reservation of 0.6 processors does not fit beside the others' on any one of 2 workers",
    );
    expect(refusal({ machines }, 3)).toBe("");
  });
});
