import { expect, test } from "vitest";
import type { EvseView, Patch, SiteView } from "../api/types";
import { merge } from "./patch";

const evse = (id: string, power_w: number) => ({ id, power_w }) as EvseView;
const view = {
  id: "home",
  epoch: 3,
  at_ms: 1_000,
  flow: { grid_w: 1, pv_w: -2, battery_w: null, house_w: 3, evses_w: 0 },
  circuits: [],
  devices: [],
  evses: [evse("left", 0), evse("right", 0)],
  alarms: [{ code: "meter_silent" }],
} as unknown as SiteView;

const nothing: Patch = { site: "home", at_ms: 2_000, epoch: 3, circuits: [], devices: [], evses: [] };

function check(patch: Partial<Patch>, expected: Partial<SiteView>) {
  expect(merge(view, { ...nothing, ...patch })).toEqual({
    ...view,
    at_ms: 2_000,
    ...expected,
  });
}

test("elements are replaced whole by id, in their place", () => {
  check({ evses: [evse("left", 4_000)] }, { evses: [evse("left", 4_000), evse("right", 0)] });
  check({ evses: [evse("third", 1)] }, { evses: [...view.evses, evse("third", 1)] });
});

test("what a patch does not name stays as it was", () => {
  check({}, {});
  check({ alarms: [] }, { alarms: [] });
});

test("the patch of another site or of an engine taken over changes nothing", () => {
  expect(merge(view, { ...nothing, site: "yard", alarms: [] })).toBe(view);
  expect(merge(view, { ...nothing, epoch: 2, alarms: [] })).toBe(view);
});

test("the view given stays untouched", () => {
  const before = structuredClone(view);
  merge(view, { ...nothing, epoch: 4, evses: [evse("left", 9)], alarms: [] });
  expect(view).toEqual(before);
});
