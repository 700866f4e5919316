/**
 * Text of a device or person as it is safe in a note: one line that cannot become a link, an embed, HTML, a tag,
 * a formula or a query, and that still reads as it was.
 */
export function plain(text: string): string {
  return text
    .replaceAll(/\s+/g, ' ')
    .trim()
    .replaceAll(/[\\`*_[\]()#!|{}~=$%^<>&]/g, (character) => {
      if (character === '<') return '&lt;';
      if (character === '>') return '&gt;';
      if (character === '&') return '&amp;';
      return `\\${character}`;
    });
}

/** A table whose cells are escaped. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map((cells) => line(cells.map(plain)))].join('\n');
}

/** A file or folder name from outside text: what no file system and no link minds. */
export function fileName(text: string): string {
  const name = text
    .replaceAll(/[\\/:*?"<>|#^[\]\p{Cc}]/gu, ' ')
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/^[. ]+|[. ]+$/g, '');
  return (name === '' ? 'unnamed' : name).slice(0, 100);
}
