// The pages one can go to, and the least role that finds something there.

import type { SiteView } from "../api/types";
import type { IconName } from "../components/Icon.svelte";
import type { PageName } from "./address";
import { session, type Role } from "./session.svelte";
import { hasSun } from "./solar";
import { watch } from "./watch.svelte";

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
  /** In place of a role: who comes in, and whether there is a tab. */
  is_open?: () => boolean;
  is_shown?: () => boolean;
}

export const PLACES: Place[] = [
  { page: "home", icon: "house", role: "viewer", is_of_site: true },
  { page: "solar", icon: "sun", role: "viewer", is_of_site: true, is_at: ({ devices }) => hasSun(devices) },
  { page: "chargers", icon: "charging_station", role: "viewer", is_of_site: true, is_inner: true },
  { page: "sessions", icon: "sessions", role: "user", is_of_site: true },
  { page: "history", icon: "history", role: "viewer", is_of_site: true },
  { page: "vehicles", icon: "cars", role: "user", is_of_site: false },
  { page: "users", icon: "users", role: "operator", is_of_site: false },
  { page: "oversight", icon: "eye", role: "admin", is_of_site: false, is_open: () => watch.is_open, is_shown: () => watch.is_shown },
  { page: "alarms", icon: "alarms", role: "viewer", is_of_site: true },
  { page: "settings", icon: "settings", role: "viewer", is_of_site: true },
];

export function isOpen(place: Place, site: string | null): boolean {
  if (place.is_open) return place.is_open();
  return session.may(place.role, place.is_of_site ? site : null);
}

/** Whether it stands among the tabs. */
export function isTab(place: Place, site: SiteView | null): boolean {
  if (place.is_inner === true || !isOpen(place, site?.id ?? null)) return false;
  if (place.is_shown) return place.is_shown();
  return place.is_at === undefined || (site !== null && place.is_at(site));
}
