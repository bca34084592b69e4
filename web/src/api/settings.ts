// Calls about tariffs, storage and backups.

import { call, json, ofSite, query } from "./client";
import type { InstallationChange, InstallationSettings, PriceList, Storage, Tariff, TariffList } from "./types";

const one = (id: string) => `/tariffs/${encodeURIComponent(id)}`;

export function tariffs(): Promise<TariffList> {
  return json(call("GET", "/tariffs"));
}

export async function addTariff(tariff: Tariff): Promise<void> {
  await call("POST", "/tariffs", tariff);
}

export async function putTariff(tariff: Tariff): Promise<void> {
  await call("PUT", one(tariff.id), tariff);
}

export async function deleteTariff(id: string): Promise<void> {
  await call("DELETE", one(id));
}

export function prices(site: string, from_ms: number, to_ms: number): Promise<PriceList> {
  return json(call("GET", ofSite(site, `prices${query({ from_ms, to_ms })}`)));
}

/** What is chosen for the installation, without secrets. */
export function settings(): Promise<InstallationSettings> {
  return json(call("GET", "/settings"));
}

/** Changes all of it or nothing, and gives what it is now. */
export function changeSettings(change: InstallationChange): Promise<InstallationSettings> {
  return json(call("PATCH", "/settings", change));
}

export function storage(): Promise<Storage> {
  return json(call("GET", "/storage"));
}

export async function putRetention(retention: Storage["retention"]): Promise<void> {
  await call("PUT", "/storage/retention", retention);
}

/** Makes a backup and gives it with the name the server chose. */
export async function backup(): Promise<{ name: string; file: Blob }> {
  const answer = await call("POST", "/backup", undefined, { is_long: true });
  const name = /filename="?([^";]+)/.exec(answer.headers.get("content-disposition") ?? "")?.[1];
  return { name: name ?? "ohmstead-backup.tar.gz", file: await answer.blob() };
}
