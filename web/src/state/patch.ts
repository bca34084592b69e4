// Merges a patch of the event stream into the view it changes. Pure: gives a new view, shares what stayed.

import type { Patch, SiteView } from "../api/types";

/** Elements of `list` replaced by those of `changed` with the same id; new ones go to the end. */
function replaceById<T extends { id: string }>(list: T[], changed: T[]): T[] {
  if (changed.length === 0) return list;
  const news = new Map(changed.map((item) => [item.id, item]));
  const merged = list.map((item) => {
    const replacement = news.get(item.id);
    news.delete(item.id);
    return replacement ?? item;
  });
  return [...merged, ...news.values()];
}

/** The view after the patch. A patch by an engine that has been taken over changes nothing. */
export function merge(view: SiteView, patch: Patch): SiteView {
  if (patch.site !== view.id || patch.epoch < view.epoch) return view;
  return {
    ...view,
    at_ms: patch.at_ms,
    epoch: patch.epoch,
    flow: patch.flow ?? view.flow,
    circuits: replaceById(view.circuits, patch.circuits),
    devices: replaceById(view.devices, patch.devices),
    evses: replaceById(view.evses, patch.evses),
    alarms: patch.alarms ?? view.alarms,
  };
}
