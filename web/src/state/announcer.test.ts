import { expect, test } from "vitest";
import { Announcer, PACE_MS } from "./announcer";

/** Steps of time, codes of left and right, and who is announced. */
function check(steps: [number, string, string, string[]][]) {
  const announcer = new Announcer();
  for (const [at, left, right, told] of steps) {
    const codes = new Map([
      ["left", left],
      ["right", right],
    ]);
    expect(announcer.look(codes, at), `at ${at}`).toEqual(told);
  }
}

test("the first look is silent, a change is told once", () => {
  check([
    [0, "a", "a", []],
    [1, "b", "a", ["left"]],
    [2, "b", "a", []],
  ]);
});

test("changes close together wait and are told as one", () => {
  check([
    [0, "a", "a", []],
    [1, "b", "a", ["left"]],
    [2, "c", "a", []],
    [3, "c", "b", []],
    [1 + PACE_MS, "c", "b", ["left", "right"]],
    [2 + PACE_MS, "c", "b", []],
  ]);
});
