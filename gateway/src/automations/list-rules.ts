import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InvalidInputError, UnavailableError } from '@millwright/protocol';
import { z } from 'zod';
import { readRuleFiles } from './rule-files.ts';
import type { Variables } from './rule-place.ts';

const WITHIN_MS = 30_000;

const Listed = z.object({
  items: z.array(
    z.object({
      id: z.string(),
      label: z.string().nullable(),
      enabled: z.boolean(),
      holds: z.boolean(),
      dueAtMs: z.number().nullable(),
      lastFiredAtMs: z.number().nullable(),
      firings: z.number(),
      lastError: z.object({ atMs: z.number(), message: z.string() }).nullable(),
    }),
  ),
});

/**
 * @returns a table
 * @throws InvalidInputError, UnavailableError `GATEWAY_UNREACHABLE`
 */
export async function listRules(
  files: readonly string[],
  flags: { readonly gateway: string; readonly state?: string },
  variables: Variables,
): Promise<string> {
  if (files.length > 0) {
    const rules = await readRuleFiles(files, { variables });
    return table(
      ['RULE', 'LABEL', 'WHEN', 'FILE'],
      rules.map(({ spec, file, line }) => [
        spec.id,
        spec.label ?? '',
        spec.when ?? (spec.schedule?.kind === 'cron' ? spec.schedule.cron : (spec.schedule?.at ?? '')),
        `${file}:${line}`,
      ]),
    );
  }
  const { items } = Listed.parse(await ask(flags));
  if (items.length === 0) return 'This gateway has no rules.';
  return table(
    ['RULE', 'STATE', 'FIRED', 'LAST', 'NEXT', 'LAST ERROR'],
    items.map((rule) => [
      rule.id,
      rule.enabled ? (rule.holds ? 'holds' : 'waits') : 'disabled',
      String(rule.firings),
      timeText(rule.lastFiredAtMs),
      timeText(rule.dueAtMs),
      rule.lastError?.message.slice(0, 100) ?? '',
    ]),
  );
}

async function ask({
  gateway,
  state,
}: {
  readonly gateway: string;
  readonly state?: string;
}): Promise<unknown> {
  const token = state === undefined ? undefined : await tokenIn(state);
  let answer: Response;
  try {
    answer = await fetch(new URL('api/v1/rules', gateway.endsWith('/') ? gateway : `${gateway}/`), {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(WITHIN_MS),
    });
  } catch (cause) {
    throw new UnavailableError('GATEWAY_UNREACHABLE', `no gateway answers at ${gateway}`, {
      hint: 'say where it is with --gateway, or name rule files',
      cause,
    });
  }
  if (answer.ok) return answer.json();
  throw new InvalidInputError('GATEWAY_REFUSED', `the gateway answered with status ${answer.status}`, {
    hint: 'name its state folder with --state',
  });
}

async function tokenIn(state: string): Promise<string | undefined> {
  try {
    return (await readFile(join(state, 'api-token'), 'utf8')).trim();
  } catch (cause) {
    throw new InvalidInputError('FILE_MISSING', `there is no token in ${state}`, { cause });
  }
}

function timeText(ms: number | null): string {
  return ms === null ? '–' : `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
