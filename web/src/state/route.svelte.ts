// Where the page is, as the address bar says, and the way to elsewhere.

import { read, write, type Address, type PageName } from "./address";

class Route {
  #address = $state.raw<Address>(read(location.hash));

  readonly page = $derived(this.#address.page);
  readonly id = $derived(this.#address.id);
  readonly params = $derived(this.#address.params);

  constructor() {
    addEventListener("hashchange", () => {
      this.#address = read(location.hash);
    });
  }

  /** The address of another page. The site goes along. */
  href(page: PageName, id: string | null = null, params: Record<string, string> = {}): string {
    const { site } = this.params;
    return write({ page, id, params: { ...(site === undefined ? {} : { site }), ...params } });
  }

  /** The same page with some filters changed; an empty one is left out. */
  with(changes: Record<string, string | null>): string {
    const params = Object.fromEntries(
      Object.entries({ ...this.params, ...changes }).filter((entry): entry is [string, string] => !!entry[1]),
    );
    return write({ ...this.#address, params });
  }

  go(href: string): void {
    location.hash = href;
  }

  /** Changes filters without a new entry in the history of the browser. */
  put(changes: Record<string, string | null>): void {
    const href = this.with(changes);
    history.replaceState(null, "", href);
    this.#address = read(href);
  }
}

export const route = new Route();
