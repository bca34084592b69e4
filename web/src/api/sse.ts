// Reads server-sent events out of text that arrives in arbitrary pieces. Pure.

export interface Message {
  id: string | null;
  type: string;
  data: string;
}

/** Feeds pieces of text in, and gets whole messages out. */
export class SseParser {
  #rest = "";
  #id: string | null = null;
  #type = "";
  #data: string[] = [];

  push(piece: string): Message[] {
    const messages: Message[] = [];
    this.#rest += piece;
    // A lone carriage return at the end may be half of a line end.
    const lines = this.#rest.split(/\r\n|\n|\r(?=.)/s);
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") {
        if (this.#data.length > 0) {
          messages.push({ id: this.#id, type: this.#type || "message", data: this.#data.join("\n") });
        }
        this.#type = "";
        this.#data = [];
        continue;
      }
      this.#field(line);
    }
    return messages;
  }

  #field(line: string): void {
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment keeps the connection awake
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.#data.push(value);
    else if (name === "event") this.#type = value;
    else if (name === "id") this.#id = value;
  }
}
