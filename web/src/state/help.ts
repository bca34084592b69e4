// Puts what would let a car charge into words.

import type { Help, SiteView } from "../api/types";
import { t } from "../i18n";
import * as units from "../units";

type Names = Pick<SiteView, "circuits" | "evses">;

/** Codes of reasons with which something else than the car or a person's own wish holds it back. */
const HELD_BACK = new Set([
  "circuit_full",
  "unbalanced",
  "no_surplus",
  "limited",
  "waiting_for_others",
  "holding_minimum",
  "one_phase_only",
  "peak_reached",
  "dimmed",
]);

/** Whether it makes sense to ask what would help. */
export function isHeldBack(code: string): boolean {
  return HELD_BACK.has(code);
}

function change({ change: of, text }: Help, site: Names): string {
  const circuit = (id: string) => site.circuits.find((known) => known.id === id)?.name ?? id;
  switch (of.kind) {
    case "more_room": {
      const words = { current: units.shortCurrent(of.by_ma), circuit: circuit(of.circuit), phase: (of.phase ?? "").toUpperCase() };
      return t(of.phase === null ? "help.more_room_each" : "help.more_room", words);
    }
    case "more_skew":
      return t("help.more_skew", { current: units.shortCurrent(of.by_ma), circuit: circuit(of.circuit) });
    case "more_sun":
      return t("help.more_sun", { current: units.shortCurrent(of.by_ma) });
    case "more_peak":
      return t("help.more_peak", { current: units.shortCurrent(of.by_ma) });
    case "more_of_grid_operator":
      return t("help.more_of_grid_operator", { current: units.shortCurrent(of.by_ma) });
    case "served_first":
      return t("help.served_first");
    case "without":
      return t("help.without", { name: site.evses.find((known) => known.id === of.evse)?.name ?? of.evse });
    case "mode":
      return of.mode === "fast" ? t("help.mode_fast") : text;
  }
}

/** One line: what would have to be different, and what the car would get then. */
export function helps(help: Help, site: Names): string {
  return t("help.then", { change: change(help, site), current: units.shortCurrent(help.granted_ma) });
}
