// Calls about what the sun brings, and about what people say of a plant.

import { call, json, ofSite } from "./client";
import type { ControlList, ControlView, LoggerList, PlantSheet, PlantView, SolarView } from "./types";

export function solar(site: string): Promise<SolarView> {
  return json(call("GET", ofSite(site, "solar")));
}

/** Data loggers of a site, and for operators those that nobody knows. */
export function loggers(site: string): Promise<LoggerList> {
  return json(call("GET", ofSite(site, "loggers")));
}

/** From now on it is this gateway, whose number the configuration leaves open. */
export async function acceptLogger(pn: string, gateway: string): Promise<void> {
  await call("POST", `/loggers/${encodeURIComponent(pn)}`, { gateway });
}

/** The second connection under its number gets the place of the first. */
export async function takeOverLogger(pn: string): Promise<void> {
  await call("POST", `/loggers/${encodeURIComponent(pn)}/takeover`);
}

/** What can be set at a device beside its wishes. */
export function controls(site: string, device: string): Promise<ControlList> {
  return json(call("GET", ofSite(site, `devices/${encodeURIComponent(device)}/controls`)));
}

/** Waits for the word of the device. */
export function setControl(site: string, device: string, control: string, value: string): Promise<ControlView> {
  return json(call("PUT", ofSite(site, `devices/${encodeURIComponent(device)}/controls/${encodeURIComponent(control)}`), { value }));
}

export function plant(site: string): Promise<PlantView> {
  return json(call("GET", ofSite(site, "plant")));
}

/** All of it takes the place of what was said before. */
export function putPlant(site: string, sheet: PlantSheet): Promise<PlantView> {
  return json(call("PUT", ofSite(site, "plant"), sheet));
}
