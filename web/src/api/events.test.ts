import { expect, test } from "vitest";
import { pause } from "./events";

test("pauses double from half a second to a quarter of a minute, and half of each is random", () => {
  const rows: [number, number, number][] = [
    [0, 0, 250],
    [0, 1, 500],
    [1, 1, 1_000],
    [4, 0.5, 6_000],
    [5, 1, 15_000],
    [1_000, 1, 15_000],
  ];
  for (const [failures, random, expected] of rows) {
    expect(pause(failures, random), `${failures} failures`).toBe(expected);
  }
});
