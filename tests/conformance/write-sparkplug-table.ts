import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { readAssertions, TABLE_FILE, tableText } from './support/assertions-table.ts';

const ids = readAssertions();
if (ids === undefined) {
  process.stderr.write(
    'the list of assertions is not at hand: ../shared/data/sparkplug/tck-assertions.json\n',
  );
  process.exitCode = 1;
} else {
  mkdirSync(dirname(TABLE_FILE), { recursive: true });
  writeFileSync(TABLE_FILE, tableText(ids));
}
