// The pages one can go to, and the least role that finds something there.

import type { SiteView } from "../api/types";
import type { IconName } from "../components/Icon.svelte";
import type { PageName } from "./address";
import { session, type Role } from "./session.svelte";
import { hasSun } from "./solar";

export interface Place {
  page: PageName;
  icon: IconName;
  role: Role;
  /** Whether the role on the site counts; else the one everywhere. */
  is_of_site: boolean;
  /** Not among the tabs: one comes to it from the thing that it is about. */
  is_inner?: true;
  /** Among the tabs only where a site has what the page is about. */
  is_at?: (site: SiteView) => boolean;
}

export const PLACES: Place[] = [
  { page: "home", icon: "house", role: "viewer", is_of_site: true },
  { page: "solar", icon: "sun", role: "viewer", is_of_site: true, is_at: ({ devices }) => hasSun(devices) },
  { page: "chargers", icon: "charging_station", role: "viewer", is_of_site: true, is_inner: true },
  { page: "sessions", icon: "sessions", role: "user", is_of_site: true },
  { page: "history", icon: "history", role: "viewer", is_of_site: true },
  { page: "vehicles", icon: "cars", role: "user", is_of_site: false },
  { page: "users", icon: "users", role: "operator", is_of_site: false },
  { page: "alarms", icon: "alarms", role: "viewer", is_of_site: true },
  { page: "settings", icon: "settings", role: "viewer", is_of_site: true },
];

export function isOpen(place: Place, site: string | null): boolean {
  return session.may(place.role, place.is_of_site ? site : null);
}
