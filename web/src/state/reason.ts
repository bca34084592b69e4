// Puts the reason behind a setpoint into words. The code and its parameters come from the server
// (`crates/model/src/reason.rs`); parameters keep the model's names: currents in mA, powers in W, times in ms.

import type { Reason, SiteView } from "../api/types";
import { has, list, t, type Params } from "../i18n";
import * as units from "../units";

/** What is said first, and what explains it. */
export interface Why {
  headline: string;
  detail: string;
}

type Names = Pick<SiteView, "circuits" | "evses" | "devices" | "time_zone">;

function nameOf(items: { id: string; name: string }[], id: unknown): string {
  return items.find((item) => item.id === id)?.name ?? String(id);
}

const CURRENTS = ["current", "asked", "limit", "base", "needed", "free", "told", "drawn", "counted", "fallback"];

/** Parameters as text, by the type the model gives them. */
function inWords(reason: Reason, site: Names, now_ms: number): Params {
  const words: Params = {};
  for (const [name, value] of Object.entries(reason.params)) {
    if (name === "circuit") words[name] = circuit(site, value, reason.params["phase"]);
    else if (name === "meter") words[name] = nameOf(site.devices, value);
    else if (name === "holders") words[name] = holders(site, value);
    else if (name === "by") words["source"] = source(site, value);
    else if (name === "what") words[name] = changed(value);
    else if (name === "to") words["phases"] = t(value === "one" ? "phases.one" : "phases.three");
    else if (name === "policy") words["then"] = named(`foreign.${String(value)}`);
    else if (typeof value !== "number") continue;
    else if (name === "until") {
      words[name] = units.clock(value, site.time_zone);
      words["left"] = units.countdown(value - now_ms);
    } else if (name === "age") words[name] = units.duration(value);
    else if (name === "ends") words[name] = units.clock(value, site.time_zone);
    else if (reason.code === "no_surplus" || reason.code === "peak_reached" || reason.code === "dimmed") words[name] = units.text(units.power(value));
    else if (reason.code === "budget_used_up" || reason.code === "energy_limit_reached") words[name] = units.text(units.energy(value));
    else if (reason.code === "price_too_high") words[name] = units.price(value, String(reason.params["currency"]));
    else if (reason.code === "charge_limit_reached" || reason.code === "resting_full") words[name] = units.text(units.share(value));
    else if (name === "most") words[name] = String(value);
    else if (CURRENTS.includes(name)) words[name] = units.shortCurrent(value);
  }
  return words;
}

function circuit(site: Names, id: unknown, phase: unknown): string {
  const name = nameOf(site.circuits, id);
  if (typeof phase !== "string") return name;
  return t("reason.circuit_full.phase", { circuit: name, phase: phase.toUpperCase() });
}

function holders(site: Names, ids: unknown): string {
  return Array.isArray(ids) ? list(ids.map((id) => nameOf(site.evses, id))) : "";
}

function source(site: Names, by: unknown): string {
  const { kind, circuit: id, phase, set, rule, ends, until } = (by ?? {}) as {
    kind?: string;
    circuit?: string;
    phase?: string | null;
    set?: string;
    rule?: number | null;
    ends?: number;
    until?: number | null;
  };
  let key = phase ? `limit.${kind}_phase` : `limit.${kind}`;
  if (kind === "rule" && !rule) key = "limit.rule_none";
  if (kind === "grid_operator" && until) key = "limit.grid_operator_until";
  if (!has(key)) return "";
  const end = ends ?? until;
  return t(key, { until: end ? units.clock(end, site.time_zone) : "", circuit: nameOf(site.circuits, id), phase: (phase ?? "").toUpperCase(), set: set ?? "", rule: String(rule ?? "") });
}

/** What somebody else did at a charging station. */
function changed(what: unknown): string {
  const { kind, value } = (what ?? {}) as { kind?: string; value?: unknown };
  if (kind === "phases") return named(`foreign.phases_${String(value)}`);
  return named(`foreign.${kind}`, { current: units.shortCurrent(Number(value)) });
}

function named(key: string, params: Params = {}): string {
  return has(key) ? t(key, params) : "";
}

/** Which detail fits: some codes say less when nobody holds anything or nothing is allowed. */
function detailKey(reason: Reason): string {
  const base = `reason.${reason.code}.detail`;
  const held = reason.params["holders"];
  if (Array.isArray(held) && held.length > 0) return `${base}_held`;
  if (reason.code === "meter_silent" && reason.params["fallback"] === 0) return `${base}_paused`;
  if (reason.code === "dimmed" && reason.params["until"] === null) return `${base}_open`;
  if (reason.code === "resting_full" && reason.params["below"] === null) return `${base}_unknown`;
  return base;
}

/** Where EVSEs take turns, whose ends first. */
function turn(reason: Reason, site: Names, detail: string): string {
  const { holder, ends } = (reason.params["turn"] ?? {}) as { holder?: string; ends?: number };
  if (holder === undefined || ends === undefined) return detail;
  const words = { detail, holder: nameOf(site.evses, holder), ends: units.clock(ends, site.time_zone) };
  return t("reason.circuit_full.turn", words);
}

/** The reason in plain words. A code this page does not know yet is told in the server's own sentence. */
export function why(reason: Reason, site: Names, now_ms: number): Why {
  const isPaused = reason.code === "limited" && reason.params["current"] === 0;
  const headline = isPaused ? "reason.limited.paused" : `reason.${reason.code}`;
  const detail = detailKey(reason);
  if (!has(headline) || !has(detail)) return { headline: reason.text, detail: "" };
  const words = inWords(reason, site, now_ms);
  return { headline: t(headline, words), detail: turn(reason, site, t(detail, words)) };
}
