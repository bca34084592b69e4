// Platforms that our own sites are reported to, as they are typed in and as they do. Pure.

import type { Datum, ReportedSite, Reporting, ReportingBody, ReportingState } from "../api/reporting";
import { typable, typed } from "../units";
import { ID, idOf, required, type Problems } from "./forms";

/** Kinds of stations, by the number that the documentation gives them. */
export const STATION_TYPES = ["1", "2", "3", "4", "5", "6", "50"] as const;
export const DIGESTS: ReportingBody["digest"][] = ["sha256", "sha512", "sha1"];
/** Yes, no, unknown. */
export const ANSWERS = ["1", "2", "3"] as const;

/** So often a port may be told, in seconds. */
const INTERVAL_S = [300, 600] as const;
const LONGEST_NAME = 80;
const LONGEST_SECRET = 4_096;
const DEGREES = 1_000_000;

export interface SiteDraft {
  site: string;
  is_reported: boolean;
  station: string;
  /** One to a line: `ours = theirs`. */
  equipment: string;
  ports: string;
  owner: string;
  address: string;
  phone: string;
  station_type: string;
  /** Empty: where the site says it is. */
  datum: Datum | "";
  latitude: string;
  longitude: string;
  standard: string;
  energy_fee: string;
  service_fee: string;
  fire_extinguisher: string;
  smoke_detector: string;
}

export interface PlatformDraft {
  id: string;
  name: string;
  url: string;
  operator: string;
  /** Empty leaves it as it is; so does the token unless it is dropped. */
  key: string;
  callback_token: string;
  drops_token: boolean;
  digest: ReportingBody["digest"];
  enabled: boolean;
  local: boolean;
  interval_s: string;
  time_zone: string;
  currency: string;
  callback: string;
  /** One to a line: `documented = theirs`. */
  field_names: string;
  mapping: string;
  sites: SiteDraft[];
}

/** Every site of ours can be ticked; a new platform is told of the only one there is. */
export function platformDraft(platform: Reporting | null, sites: string[]): PlatformDraft {
  const settings = platform?.settings;
  const reported = settings?.sites ?? [];
  const all = [...new Set([...sites, ...reported.map(({ site }) => site)])];
  return {
    id: settings?.id ?? "",
    name: settings?.name ?? "",
    url: settings?.url ?? "",
    operator: settings?.operator ?? "",
    key: "",
    callback_token: "",
    drops_token: false,
    digest: settings?.digest ?? "sha256",
    enabled: settings?.enabled ?? true,
    local: settings?.local ?? false,
    interval_s: String(settings?.interval_s ?? INTERVAL_S[0]),
    time_zone: settings?.time_zone ?? "Asia/Shanghai",
    currency: settings?.currency ?? "CNY",
    callback: settings?.callback ?? "",
    field_names: lines(settings?.field_names),
    mapping: settings?.mapping ?? "",
    sites: all.map((site) => {
      const known = reported.find((one) => one.site === site);
      return siteDraft(site, known ?? null, known !== undefined || (platform === null && all.length === 1));
    }),
  };
}

function siteDraft(site: string, known: ReportedSite | null, is_reported: boolean): SiteDraft {
  return {
    site,
    is_reported,
    station: known?.station ?? "",
    equipment: lines(known?.equipment),
    ports: lines(known?.ports),
    owner: known?.owner ?? "",
    address: known?.address ?? "",
    phone: known?.phone ?? "",
    station_type: String(known?.station_type ?? 50),
    datum: known?.place?.datum ?? "",
    latitude: typable(known?.place?.latitude_udeg, DEGREES),
    longitude: typable(known?.place?.longitude_udeg, DEGREES),
    standard: known?.standard ?? "",
    energy_fee: known?.energy_fee ?? "",
    service_fee: known?.service_fee ?? "",
    fire_extinguisher: String(known?.fire_extinguisher ?? 3),
    smoke_detector: String(known?.smoke_detector ?? 3),
  };
}

/** Problems of sites are named `<place>.<field>`. `before` is what is changed, `null` for a new one. */
export function platformProblems(draft: PlatformDraft, before: Reporting | null, taken: string[]): Problems {
  const id = draft.id.trim() === "" ? idOf(draft.name) : draft.id.trim();
  const moved = before !== null && (before.settings.url !== trimmed(draft.url) || before.settings.operator !== draft.operator.trim());
  const needs_key = draft.enabled && (before === null || moved || !before.has_key);
  const interval = typed(draft.interval_s, 1);
  const problems: Problems = {
    id: before !== null ? undefined : taken.includes(id) ? "form.taken" : ID.test(id) ? undefined : "form.id",
    name: required(draft.name) ?? ([...draft.name.trim()].length > LONGEST_NAME ? "reporting.name_long" : undefined),
    url: address(draft.url, draft.local),
    operator: isCode(draft.operator) ? undefined : "oversight.id_wrong",
    key: secret(draft.key) ?? (needs_key && draft.key === "" ? (moved ? "reporting.key_again" : "form.required") : undefined),
    callback_token: secret(draft.callback_token),
    interval_s: interval !== null && interval >= INTERVAL_S[0] && interval <= INTERVAL_S[1] ? undefined : "form.range",
    time_zone: required(draft.time_zone),
    currency: /^[A-Z]{3}$/.test(draft.currency.trim()) ? undefined : "form.currency",
    callback: draft.callback.trim() === "" ? undefined : address(draft.callback, draft.local),
    field_names: pairs(draft.field_names) === null ? "oversight.names_wrong" : undefined,
    sites: draft.enabled && !draft.sites.some((site) => site.is_reported) ? "reporting.no_site" : undefined,
  };
  draft.sites.forEach((site, place) => {
    if (!site.is_reported) return;
    const codes = (text: string) => (Object.values(pairs(text) ?? { wrong: "" }).every(isCode) ? undefined : "reporting.codes_wrong");
    // The documentation wants these of each port; a mapping may do without.
    const told = (text: string) => (draft.mapping.trim() === "" ? required(text) : undefined);
    Object.assign(problems, {
      [`${place}.standard`]: told(site.standard),
      [`${place}.energy_fee`]: told(site.energy_fee),
      [`${place}.service_fee`]: told(site.service_fee),
      [`${place}.station`]: site.station.trim() === "" || isCode(site.station) ? undefined : "oversight.id_wrong",
      [`${place}.equipment`]: codes(site.equipment),
      [`${place}.ports`]: codes(site.ports),
      [`${place}.owner`]: required(site.owner),
      [`${place}.address`]: required(site.address),
      [`${place}.latitude`]: site.datum === "" ? undefined : degrees(site.latitude, 90),
      [`${place}.longitude`]: site.datum === "" ? undefined : degrees(site.longitude, 180),
    });
  });
  return problems;
}

export function platformBody(draft: PlatformDraft): ReportingBody {
  return {
    id: draft.id.trim() === "" ? idOf(draft.name) : draft.id.trim(),
    name: draft.name.trim(),
    url: trimmed(draft.url),
    operator: draft.operator.trim(),
    ...(draft.key === "" ? {} : { key: draft.key }),
    ...(draft.drops_token ? { callback_token: "" } : draft.callback_token === "" ? {} : { callback_token: draft.callback_token }),
    digest: draft.digest,
    enabled: draft.enabled,
    local: draft.local,
    interval_s: typed(draft.interval_s, 1) ?? INTERVAL_S[0],
    time_zone: draft.time_zone.trim(),
    currency: draft.currency.trim(),
    ...(draft.callback.trim() === "" ? {} : { callback: trimmed(draft.callback) }),
    field_names: pairs(draft.field_names) ?? {},
    ...(draft.mapping.trim() === "" ? {} : { mapping: draft.mapping }),
    sites: draft.sites.filter((site) => site.is_reported).map(siteBody),
  };
}

function siteBody(draft: SiteDraft): ReportedSite {
  return {
    site: draft.site,
    ...(draft.station.trim() === "" ? {} : { station: draft.station.trim() }),
    equipment: pairs(draft.equipment) ?? {},
    ports: pairs(draft.ports) ?? {},
    owner: draft.owner.trim(),
    address: draft.address.trim(),
    ...(draft.phone.trim() === "" ? {} : { phone: draft.phone.trim() }),
    station_type: Number(draft.station_type),
    ...(draft.datum === ""
      ? {}
      : { place: { latitude_udeg: typed(draft.latitude, DEGREES) ?? 0, longitude_udeg: typed(draft.longitude, DEGREES) ?? 0, datum: draft.datum } }),
    standard: draft.standard.trim(),
    energy_fee: draft.energy_fee.trim(),
    service_fee: draft.service_fee.trim(),
    fire_extinguisher: Number(draft.fire_extinguisher),
    smoke_detector: Number(draft.smoke_detector),
  };
}

function lines(names: Record<string, string> | undefined): string {
  return Object.entries(names ?? {}).map(([one, other]) => `${one} = ${other}`).join("\n");
}

/** One to a line, `one = other`; `null` when a line is something else or a name stands there twice. */
export function pairs(text: string): Record<string, string> | null {
  const found = new Map<string, string>();
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const [one = "", other = "", ...rest] = line.split("=").map((part) => part.trim());
    if (rest.length > 0 || one === "" || other === "" || found.has(one)) return null;
    found.set(one, other);
  }
  return Object.fromEntries(found);
}

function isCode(text: string): boolean {
  return /^[\x21-\x7e]{1,64}$/.test(text.trim());
}

function secret(text: string): "reporting.secret_wrong" | undefined {
  const is_fine = !/[\r\n]/.test(text) && new TextEncoder().encode(text).length <= LONGEST_SECRET;
  return is_fine ? undefined : "reporting.secret_wrong";
}

function address(url: string, is_local: boolean): Problems[string] {
  if (url.trim() === "") return "form.required";
  const scheme = URL.canParse(url.trim()) ? new URL(url.trim()).protocol : "";
  if (scheme === "https:" || (scheme === "http:" && is_local)) return undefined;
  return is_local ? "form.url" : "oversight.https";
}

function degrees(text: string, most: number): Problems[string] {
  const value = typed(text, DEGREES);
  if (value === null) return text.trim() === "" ? "form.required" : "form.number";
  return Math.abs(value) > most * DEGREES ? "form.range" : undefined;
}

/** As it is kept: without a slash at its end. */
function trimmed(url: string): string {
  return url.trim().replace(/\/+$/, "");
}

// --- how it does ---

export type Standing = "off" | "no_key" | "new" | "reached" | "unreached";

/** How the reporting to a platform does, in one word. */
export function standing({ settings, has_key, state }: Reporting): Standing {
  if (!settings.enabled) return "off";
  if (!has_key) return "no_key";
  if (state.connected) return "reached";
  return state.last_success_ms === null && state.last_error_ms === null ? "new" : "unreached";
}

/** How much waits to be told. */
export function waiting({ waiting_samples, waiting_records, waiting_repairs }: ReportingState): number {
  return waiting_samples + waiting_records + waiting_repairs;
}

/** JSON with line breaks between its parts. Nothing that is said in it changes, down to the digits of a number. */
export function spread(json: string): string {
  let [text, depth, in_text, escaped] = ["", 0, false, false];
  const line = () => `\n${"  ".repeat(Math.max(0, depth))}`;
  for (const letter of json) {
    if (in_text) {
      text += letter;
      in_text = escaped || letter !== '"';
      escaped = !escaped && letter === "\\";
    } else if (letter === '"') {
      text += letter;
      in_text = true;
    } else if (letter === "{" || letter === "[") {
      depth += 1;
      text += letter + line();
    } else if (letter === "}" || letter === "]") {
      depth -= 1;
      text += line() + letter;
    } else if (letter === ",") {
      text += letter + line();
    } else {
      text += letter === ":" ? ": " : letter;
    }
  }
  return text;
}
