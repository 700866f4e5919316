import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { BROKER_CHECKS } from '../checks/broker-checks.ts';
import { EDGE_CHECKS } from '../checks/edge-checks.ts';
import { HOST_CHECKS } from '../checks/host-checks.ts';
import { exceptionOf } from '../checks/not-held.ts';
import { PRIMARY_HOST_CHECKS } from '../checks/primary-host-checks.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const DATA = join(ROOT, '..', 'shared', 'data', 'sparkplug', 'tck-assertions.json');
export const TABLE_FILE: string = join(ROOT, 'docs', 'conformance', 'sparkplug.md');

/** Who is held to which assertions, and by which test file. */
export const SUITES = [
  { role: 'edge node', file: 'sparkplug-edge.test.ts', ids: EDGE_CHECKS.map(({ id }) => id) },
  { role: 'edge node', file: 'sparkplug-primary-host.test.ts', ids: PRIMARY_HOST_CHECKS.map(({ id }) => id) },
  { role: 'host', file: 'sparkplug-host.test.ts', ids: HOST_CHECKS.map(({ id }) => id) },
  { role: 'broker', file: 'sparkplug-broker.test.ts', ids: BROKER_CHECKS.map(({ id }) => id) },
] as const;

/** Identifiers of the assertions that the specification's own test kit knows; undefined where its list is not at hand. */
export function readAssertions(): string[] | undefined {
  if (!existsSync(DATA)) return undefined;
  const Assertions = z.array(z.object({ id: z.string() }));
  return Assertions.parse(JSON.parse(readFileSync(DATA, 'utf8'))).map(({ id }) => id);
}

export interface TableRow {
  readonly id: string;
  readonly appliesTo: string;
  readonly holds: 'yes' | 'no' | '–' | 'unknown';
  readonly test: string;
}

export function tableRows(ids: readonly string[]): TableRow[] {
  return ids.map((id) => {
    const suites = SUITES.filter((suite) => suite.ids.some((each) => each === id));
    if (suites.length > 0) {
      const appliesTo = [...new Set(suites.map(({ role }) => role))].join(', ');
      return { id, appliesTo, holds: 'yes', test: suites.map(({ file }) => `\`${file}\``).join(', ') };
    }
    const exception = exceptionOf(id);
    if (exception === undefined) return { id, appliesTo: '?', holds: 'unknown', test: '' };
    return exception.kind === 'deviates'
      ? { id, appliesTo: 'edge node, host', holds: 'no', test: exception.why }
      : { id, appliesTo: 'not ours', holds: '–', test: exception.why };
  });
}

export function tableText(ids: readonly string[]): string {
  const rows = tableRows(ids);
  const count = (holds: TableRow['holds']) => rows.filter((row) => row.holds === holds).length;
  const header = ['assertion', 'applies to', 'holds', 'test, or why not'];
  const cells = rows.map(({ id, appliesTo, holds, test }) => [`\`${id}\``, appliesTo, holds, test]);
  const line = (parts: readonly string[]) => `| ${parts.join(' | ')} |`;
  return [
    '# Sparkplug 3.0: assertion by assertion',
    '',
    `The specification's test kit lists ${rows.length} assertions. ${count('yes')} apply and hold, ${count('no')} is broken on purpose,`,
    `${count('–')} are about something this project does not do. Tests are in \`tests/conformance\`; each is named after its`,
    "assertion and is about the packets that were sent, at a gateway's own broker (MQTT 3.1.1) and at mosquitto (MQTT 5).",
    '',
    'This page is made by `node tests/conformance/write-sparkplug-table.ts`; a test fails when it is out of date. How to use',
    'Sparkplug is in [the guide](../guides/sparkplug.md).',
    '',
    line(header),
    line(header.map(() => '---')),
    ...cells.map(line),
    '',
  ].join('\n');
}
