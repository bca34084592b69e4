// Light, dark, or as the system has it; remembered in this browser.

export type Theme = "auto" | "light" | "dark";

const NEXT: Record<Theme, Theme> = { auto: "light", light: "dark", dark: "auto" };
const STORED = "ohmstead.theme";

function stored(): Theme {
  try {
    const value = localStorage.getItem(STORED);
    return value === "light" || value === "dark" ? value : "auto";
  } catch {
    return "auto"; // a browser may refuse storage; the page works without
  }
}

class ThemeState {
  choice = $state<Theme>(stored());
  /** Grows whenever the colours on the page change, for what paints with them itself. */
  version = $state(0);

  constructor() {
    this.#apply();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.version += 1;
    });
  }

  next(): void {
    this.choose(NEXT[this.choice]);
  }

  choose(choice: Theme): void {
    this.choice = choice;
    try {
      localStorage.setItem(STORED, this.choice);
    } catch {
      // Not remembered, still applied.
    }
    this.#apply();
    this.version += 1;
  }

  #apply(): void {
    document.documentElement.dataset["theme"] = this.choice;
  }
}

export const theme = new ThemeState();
