// Tariffs by name, for forms in which one is chosen.

import { tariffs } from "../api/settings";

class TariffNames {
  items = $state.raw<[id: string, name: string][]>([]);

  /** A failure leaves no choice beside the site's own tariff, which is what most have. */
  async load(may_see: boolean): Promise<void> {
    if (!may_see) return;
    try {
      this.items = (await tariffs()).items.map(({ id, name }) => [id, name]);
    } catch {
      this.items = [];
    }
  }
}

export const tariffNames = new TariffNames();
