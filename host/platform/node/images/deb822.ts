/** One paragraph of Debian's control file format: field names in lower case, continuation lines joined by spaces. */
export type Stanza = ReadonlyMap<string, string>;

/** The paragraphs of a text in the format of deb822(5). */
export function parseStanzas(text: string): Stanza[] {
  return text
    .split(/\n\s*\n/)
    .map(parseStanza)
    .filter((stanza) => stanza.size > 0);
}

function parseStanza(text: string): Stanza {
  const fields = new Map<string, string>();
  let last = "";
  for (const line of text.split("\n")) {
    const field = /^([^\s:#][^:]*):\s*(.*)$/.exec(line);
    if (field) {
      last = field[1]!.toLowerCase();
      fields.set(last, field[2]!.trimEnd());
    } else if (/^\s/.test(line) && last !== "") {
      fields.set(last, `${fields.get(last)} ${line.trim()}`.trim());
    }
  }
  return fields;
}
