// Colours of the theme for what paints by itself: a canvas does not follow the page's own.

/** The colour a name has on the page now. `host` is an element whose own colour nobody sees. */
export function colourOf(host: HTMLElement, name: string, alpha = 1): string {
  host.style.color = `color-mix(in srgb, var(--${name}) ${alpha * 100}%, transparent)`;
  const found = getComputedStyle(host).color;
  host.style.color = "";
  return found;
}
