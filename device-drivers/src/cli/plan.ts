import { type DeviceSpec, InvalidInputError } from '@millwright/protocol';
import type { DevicePlan, PlannedRequest } from '../driver.ts';
import { print } from './print.ts';
import { type Environment, lineOf, readSite } from './site.ts';
import { table } from './table.ts';

export interface PlanOptions {
  readonly types?: readonly string[];
  readonly json?: boolean;
}

interface Planned {
  readonly spec: DeviceSpec;
  readonly line: string;
  readonly plan: DevicePlan | undefined;
}

/** Prints what will be asked of each device, or of one. @throws InvalidInputError */
export async function planSite(
  target: { readonly site: string; readonly device: string | undefined },
  options: PlanOptions,
  environment: Environment,
): Promise<void> {
  const all = await readSite(target.site, options.types ?? [], environment);
  const specs = target.device === undefined ? all : all.filter(({ id }) => id === target.device);
  if (specs.length === 0 && target.device !== undefined) {
    throw new InvalidInputError('UNKNOWN_DEVICE', `${target.site} has no device "${target.device}"`, {
      hint: `it has ${all.map(({ id }) => id).join(', ') || 'none'}`,
    });
  }
  const planned: Planned[] = [];
  for (const spec of specs) {
    const { line, plan } = await lineOf(spec);
    planned.push({ spec, line, plan });
  }
  print(options.json ? asJson(planned) : [...planned.map(asText), summary(planned)].join('\n\n'));
}

function perSecond(requests: readonly PlannedRequest[]): number {
  return requests.reduce((sum, { everyMs }) => sum + (everyMs === undefined ? 0 : 1000 / everyMs), 0);
}

function rounded(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function asText({ spec, line, plan }: Planned): string {
  const computed = Object.keys(spec.computed ?? {}).length;
  const head = `${spec.id} (${spec.type ?? spec.driver}) on ${line}`;
  if (plan === undefined) return `${head}\n  its driver (${spec.driver}) does not tell a plan`;
  const rows = plan.requests.map(({ request, everyMs, points, detail }) => [
    `  ${request}`,
    everyMs === undefined ? 'when it changes' : `every ${duration(everyMs)}`,
    String(points.length),
    detail ?? '',
  ]);
  const notes = (plan.notes ?? []).map((note) => `  ${note}`);
  const more =
    computed === 0
      ? []
      : [`  ${computed} more ${computed === 1 ? 'point is' : 'points are'} computed from these`];
  return [head, table(['  REQUEST', 'WHEN', 'POINTS', 'DETAIL'], rows), ...notes, ...more].join('\n');
}

function duration(ms: number): string {
  if (ms % 60_000 === 0) return `${ms / 60_000}m`;
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

function summary(planned: readonly Planned[]): string {
  const requests = planned.flatMap(({ plan }) => plan?.requests ?? []);
  const points = planned.reduce((sum, { spec }) => sum + Object.keys(spec.points).length, 0);
  const lines = new Set(planned.map(({ line }) => line)).size;
  return (
    `${planned.length} devices on ${lines} lines: ${points} points in ${requests.length} requests, ` +
    `${rounded(perSecond(requests))} polls a second`
  );
}

function asJson(planned: readonly Planned[]): string {
  const devices = planned.map(({ spec, line, plan }) => ({
    device: spec.id,
    driver: spec.driver,
    line,
    pollsPerS: plan === undefined ? null : Number(rounded(perSecond(plan.requests))),
    requests: plan?.requests ?? null,
    notes: plan?.notes ?? [],
  }));
  return JSON.stringify(devices, null, 2);
}
