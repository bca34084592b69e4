// Calls about cars.

import { call, json } from "./client";
import type { Vehicle, VehicleList } from "./types";

const one = (id: string) => `/vehicles/${encodeURIComponent(id)}`;

export function vehicles(): Promise<VehicleList> {
  return json(call("GET", "/vehicles"));
}

/** What can be written of a car; how full it is has a call of its own. */
export type VehicleBody = Omit<Vehicle, "soc" | "soc_stale" | "soc_problem" | "source">;

export async function addVehicle(vehicle: VehicleBody): Promise<void> {
  await call("POST", "/vehicles", vehicle);
}

export async function putVehicle(vehicle: VehicleBody): Promise<void> {
  await call("PUT", one(vehicle.id), vehicle);
}

export async function deleteVehicle(id: string): Promise<void> {
  await call("DELETE", one(id));
}

export async function putSoc(id: string, soc_permille: number): Promise<void> {
  await call("PUT", `${one(id)}/soc`, { soc_permille });
}
