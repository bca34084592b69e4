// The state of an EVSE in one word, with a picture and a tone. Pure.

import type { EvseView, SiteView } from "../api/types";
import type { IconName } from "../components/Icon.svelte";
import { t, type Key } from "../i18n";

export type Tone = "good" | "wait" | "bad" | "quiet";

export interface State {
  word: string;
  icon: IconName;
  tone: Tone;
}

function state(key: Key, icon: IconName, tone: Tone): State {
  return { word: t(key), icon, tone };
}

/** What is most worth saying, most serious first. */
export function evseState(evse: EvseView, site: SiteView): State {
  const station = site.devices.find((device) => device.id === evse.station);
  if (station?.enabled === false) return state("evse.state.disabled", "off", "quiet");
  if (!evse.online) return state("evse.state.offline", "alert", "bad");
  if (evse.pilot === "E" || evse.pilot === "F") return state("evse.state.fault", "alert", "bad");
  if (!evse.is_plugged) return state("evse.state.unplugged", "plug", "quiet");
  if (evse.is_charging) return state("evse.state.charging", "bolt", "good");
  if (evse.complete) return state("evse.state.complete", "done", "quiet");
  if (evse.setpoint_ma > 0) return state("evse.state.ready", "plug", "quiet");
  return state("evse.state.waiting", "wait", "wait");
}
