// A short word on what was just done, shown for a moment and read aloud.

const SHOWN_MS = 5_000;

class Told {
  text = $state("");
  #timer: ReturnType<typeof setTimeout> | null = null;

  say(text: string): void {
    this.text = text;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.text = ""), SHOWN_MS);
  }
}

export const told = new Told();
