import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exceptionOf } from './checks/not-held.ts';
import { readAssertions, SUITES, TABLE_FILE, tableRows, tableText } from './support/assertions-table.ts';

const ids = readAssertions();

if (ids === undefined) {
  describe('the table of Sparkplug assertions', () => {
    it.skip('needs ../shared/data/sparkplug/tck-assertions.json, which is not here', () => undefined);
  });
} else {
  describe('the table of Sparkplug assertions', () => {
    const known = new Set(ids);

    it('has an answer for every assertion', () => {
      expect(tableRows(ids).filter(({ holds }) => holds === 'unknown')).toEqual([]);
    });

    it('says of no assertion that it holds without a test that names it', () => {
      for (const { file, ids: named } of SUITES) {
        expect(existsSync(join(import.meta.dirname, file)), file).toBe(true);
        expect(named.filter((id) => !known.has(id))).toEqual([]);
        expect(new Set(named).size, `${file} names one twice`).toBe(named.length);
      }
    });

    it('excuses no assertion that is tested', () => {
      const tested = SUITES.flatMap((suite): readonly string[] => suite.ids);
      expect(tested.filter((id) => exceptionOf(id) !== undefined)).toEqual([]);
    });

    it('stands in the documentation as it is', () => {
      expect(readFileSync(TABLE_FILE, 'utf8')).toBe(tableText(ids));
    });
  });
}
