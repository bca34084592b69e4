import { expect, test } from "vitest";
import { fitting, powerLine, stacked } from "./chart";

test("layers stand on each other, the outermost first", () => {
  const layers = [
    { colour: "house", values: [1, null, 3] },
    { colour: "cars", values: [2, 5, -1] },
  ];
  expect(stacked(layers, 1).map(({ colour, values }) => [colour, values])).toEqual([
    ["cars", [3, 5, 3]],
    ["house", [1, 0, 3]],
  ]);
  expect(stacked(layers, -1)[0]?.values).toEqual([-3, -5, -3]);
});

test("only as many names as have room", () => {
  const ticks = Array.from({ length: 31 }, (_, day) => ({ at_s: day, text: String(day + 1) }));
  const whole = { from_s: 0, to_s: 31 };
  expect(fitting(ticks, whole, 1_000, 26).length).toBe(31);
  expect(fitting(ticks, whole, 300, 26).map((tick) => tick.text)).toEqual(["1", "4", "7", "10", "13", "16", "19", "22", "25", "28", "31"]);
  expect(fitting(ticks.slice(0, 2), whole, 300, 26).map((tick) => tick.text), "of a month that has begun").toEqual(["1"]);
  expect(fitting([], whole, 0, 26)).toEqual([]);
});

test("lines are in kW and keep their gaps", () => {
  expect(powerLine("sun", [1_500, null]).values).toEqual([1.5, null]);
});
