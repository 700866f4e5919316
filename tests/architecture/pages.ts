import { posix } from 'node:path';
import type { Repo } from './repo.ts';

/** Rows of the first table under a heading that starts with `heading`, cells trimmed, header and rule left out. */
export function tableUnder(markdown: string, heading: string): string[][] {
  const lines = markdown.split('\n');
  const start = lines.findIndex(
    (line) => line.startsWith('#') && line.replace(/^#+ /, '').startsWith(heading),
  );
  if (start === -1) return [];
  const rows: string[][] = [];
  for (const line of lines.slice(start + 1)) {
    if (line.startsWith('#')) break;
    if (line.startsWith('|')) rows.push(cells(line));
    else if (rows.length > 0) break;
  }
  return rows.slice(2);
}

function cells(row: string): string[] {
  return row
    .replace(/^\||\|\s*$/g, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());
}

/** Names in backticks, a trailing slash taken off. */
export function namesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name.replace(/\/$/, ''));
}

/** Relative links of a page that lead to no file and no folder. */
export function brokenLinks(repo: Repo, page: string): string[] {
  const text = repo
    .text(page)
    .replace(/```[\s\S]*?```/g, '')
    .replace(/`[^`\n]*`/g, '');
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return targets
    .filter((target) => !/^([a-z]+:|#)/.test(target))
    .filter((target) => {
      const path = posix.normalize(posix.join(posix.dirname(page), decodeURI(target.replace(/#.*/, ''))));
      const folder = path.replace(/\/?$/, '/');
      return !repo.paths.includes(path) && !repo.paths.some((each) => each.startsWith(folder));
    })
    .map((target) => `${page} links to ${target}, which is not there`);
}
