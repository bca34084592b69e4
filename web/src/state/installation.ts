// What can be chosen for the installation, as text in a form and back. Pure.

import type { InstallationChange, InstallationSettings } from "../api/types";
import { minuteOfDay, typable, typed } from "../units";
import { required, type Problems } from "./forms";

type Site = InstallationSettings["sites"][number];
type Inverter = Site["inverters"][number];
type Panels = Inverter["panels"][number];
type Mail = NonNullable<InstallationSettings["mail"]>;

export const RELAY_TLS: Mail["tls"][] = ["starttls", "tls", "none"];

export interface SiteDraft {
  name: string;
  time_zone: string;
}

export interface NightlyDraft {
  keep: string;
  at: string;
}

export interface MailDraft {
  host: string;
  port: string;
  tls: Mail["tls"];
  user: string;
  /** Empty: the one that is kept. */
  password: string;
  from: string;
}

/** Entries of a list, one to a line or with commas between. */
export function entries(text: string): string[] {
  return text
    .split(/[\n,]/)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

/** Only what may be changed and did. */
export function siteChange(draft: SiteDraft, before: InstallationSettings["sites"][number]): InstallationChange {
  const change = {
    ...(before.name_from_file || draft.name.trim() === before.name ? {} : { name: draft.name.trim() }),
    ...(before.time_zone_from_file || draft.time_zone.trim() === before.time_zone ? {} : { time_zone: draft.time_zone.trim() }),
  };
  return { sites: { [before.id]: change } };
}

export function siteProblems(draft: SiteDraft): Problems {
  return { name: required(draft.name), time_zone: required(draft.time_zone) };
}

/** A roof to a line: kilowatts at most, tilt, and where it looks. */
export function panelsDraft(panels: Panels[]): string {
  return panels.map(({ peak_w, tilt_deg, azimuth_deg }) => [typable(peak_w, 1_000), tilt_deg, azimuth_deg].join("; ")).join("\n");
}

/** `null` when a line is no such roof. */
export function readPanels(text: string): Panels[] | null {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const panels = lines.map((line): Panels | null => {
    const [peak, tilt, azimuth, ...more] = line.split(/[;\t]|,\s/).map((part) => part.trim());
    const peak_w = typed(peak ?? "", 1_000);
    const is_fine = peak_w !== null && peak_w > 0 && isWhole(tilt ?? "", 0, 90) && isWhole(azimuth ?? "", 0, 360) && more.length === 0;
    return is_fine ? { peak_w, tilt_deg: Number(tilt), azimuth_deg: Number(azimuth) } : null;
  });
  return panels.every((one) => one !== null) ? panels : null;
}

export function panelsChange(site: string, inverter: string, panels: Panels[]): InstallationChange {
  return { sites: { [site]: { panels: { [inverter]: panels } } } };
}

export function nightlyDraft({ keep, at_minute }: InstallationSettings["backup"]): NightlyDraft {
  return { keep: String(keep), at: minuteOfDay(at_minute) };
}

export function nightlyProblems(draft: NightlyDraft): Problems {
  return { keep: isWhole(draft.keep, 0, 1_000) ? undefined : "form.range", at: minute(draft.at) === null ? "form.time" : undefined };
}

export function nightlyChange(draft: NightlyDraft): InstallationChange {
  return { backup: { keep: typed(draft.keep, 1) ?? 0, at_minute: minute(draft.at) ?? 0 } };
}

export function mailDraft(mail: Mail | null): MailDraft {
  return {
    host: mail?.host ?? "",
    port: mail === null ? "" : String(mail.port),
    tls: mail?.tls ?? "starttls",
    user: mail?.user ?? "",
    password: "",
    from: mail?.from ?? "",
  };
}

/** A password is asked for again when it would go to another relay than before. */
export function mailProblems(draft: MailDraft, before: Mail | null): Problems {
  const { mail } = mailChange(draft);
  const is_same =
    before !== null &&
    before.has_password &&
    before.host === mail?.host &&
    before.user === mail.user &&
    before.tls === mail.tls &&
    (draft.port.trim() === "" || before.port === mail.port);
  return {
    host: required(draft.host),
    port: draft.port.trim() === "" || isWhole(draft.port, 1, 65_535) ? undefined : "form.range",
    tls: draft.user.trim() !== "" && draft.tls === "none" ? "installation.clear" : undefined,
    password: draft.user.trim() !== "" && draft.password === "" && !is_same ? "form.required" : undefined,
    from: /[^\s@<>]+@[^\s@<>]+/.test(draft.from) ? undefined : "form.email",
  };
}

export function mailChange(draft: MailDraft): InstallationChange {
  const user = draft.user.trim();
  const port = typed(draft.port, 1);
  return {
    mail: {
      host: draft.host.trim(),
      ...(port === null ? {} : { port }),
      tls: draft.tls,
      user: user === "" ? null : user,
      ...(user === "" || draft.password === "" ? {} : { password: draft.password }),
      from: draft.from.trim(),
    },
  };
}

function isWhole(text: string, least: number, most: number): boolean {
  const value = /^\d+$/.test(text.trim()) ? Number(text) : null;
  return value !== null && value >= least && value <= most;
}

function minute(text: string): number | null {
  const [, hours = "", minutes = ""] = /^(\d\d):(\d\d)$/.exec(text) ?? [];
  const value = Number(hours) * 60 + Number(minutes);
  return hours === "" || value >= 1_440 ? null : value;
}
