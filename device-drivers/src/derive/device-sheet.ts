import type { AlarmRule, DeviceSpec } from '@millwright/protocol';
import { type PointFacts, pointFacts } from './point-facts.ts';

/**
 * A device on paper, in Markdown: where it is, its points with addresses and units, what may be written by whom, and
 * when it raises an alarm. For whoever stands in front of the machine.
 */
export function deviceSheet(spec: DeviceSpec): string {
  const points = pointFacts(spec);
  const writable = points.filter((point) => point.write !== undefined);
  const alarms = points.flatMap((point) =>
    Object.entries(point.spec.alarms ?? {}).map(([name, rule]) => ({ point, name, rule })),
  );
  return [
    `# ${text(spec.name ?? spec.id)}`,
    '',
    ...facts(spec).map(([name, value]) => `- ${name}: ${value}`),
    '',
    `## Points (${points.length})`,
    '',
    ...table(
      ['Point', 'Name', 'Address', 'Value', 'Unit'],
      points.map((point) => [
        code(point.id),
        text(point.name),
        addressOf(spec, point),
        valueOfPoint(point),
        unitOf(point),
      ]),
    ),
    ...section('What may be written', writable.length, () =>
      table(
        ['Point', 'Range', 'Who', 'Risk', 'Only when'],
        writable.map(({ id, spec: point, write }) => [
          code(id),
          write?.range === undefined
            ? 'any'
            : `${write.range[0]} … ${write.range[1]} ${text(point.unit ?? '')}`.trim(),
          `${write?.role}`,
          `${write?.risk}`,
          write?.interlock === undefined ? '–' : code(write.interlock),
        ]),
      ),
    ),
    ...section('Alarms', alarms.length, () =>
      table(
        ['Point', 'Alarm', 'Raised', 'After', 'Priority'],
        alarms.map(({ point, name, rule }) => [
          code(point.id),
          text(name),
          raisedWhen(rule, point),
          rule.delay === undefined ? 'at once' : duration(rule.delay),
          rule.priority,
        ]),
      ),
    ),
  ].join('\n');
}

function facts(spec: DeviceSpec): [string, string][] {
  const where = Object.entries(spec.connect).map(
    ([key, value]) => `${key} ${code(typeof value === 'object' ? JSON.stringify(value) : String(value))}`,
  );
  return [
    ['Id', code(spec.id)],
    ...(spec.type === undefined ? [] : [['Type', code(spec.type)] satisfies [string, string]]),
    ['Protocol', spec.driver],
    ...(where.length === 0 ? [] : [['Where', where.join(', ')] satisfies [string, string]]),
  ];
}

function section(title: string, count: number, lines: () => string[]): string[] {
  return count === 0 ? [] : ['', `## ${title} (${count})`, '', ...lines()];
}

function addressOf(spec: DeviceSpec, { id, isComputed, spec: point }: PointFacts): string {
  if (isComputed && 'compute' in point) return `computed: ${code(point.compute)}`;
  switch (spec.driver) {
    case 'modbus': {
      const own = spec.points[id];
      const table = own?.table ?? spec.defaults.table;
      const order = own?.order ?? spec.defaults.order;
      const bits = own?.bit ?? own?.bits?.join('–');
      const isLong = own !== undefined && /(16|32|64)$/.test(own.as) && !own.as.endsWith('t16');
      const more = [bits === undefined ? '' : `bit ${bits}`, isLong ? order : ''].filter(
        (part) => part !== '',
      );
      return [`${table} ${own?.at ?? ''}`, own?.as ?? '', ...more].join(', ');
    }
    case 'opcua':
      return code(spec.points[id]?.node ?? '');
    case 'mqtt': {
      const own = spec.points[id];
      return own?.pick === undefined ? code(own?.topic ?? '') : `${code(own.topic)} ${code(own.pick)}`;
    }
    case 'sparkplug':
      return code(spec.points[id]?.metric ?? '');
    case 'host':
      return code(spec.points[id]?.metric ?? '');
    case 'package':
      return code(JSON.stringify(spec.points[id]?.at ?? ''));
  }
}

function valueOfPoint({ kind, labels, step, spec }: PointFacts): string {
  if (labels.size > 0) return [...labels].map(([value, label]) => `${value} = ${text(label)}`).join('<br>');
  const steps = step !== undefined && step !== 1 ? `, in steps of ${Number(step.toPrecision(6))}` : '';
  const counts = spec.class === 'total' || spec.class === 'total_increasing' ? ', adds up' : '';
  return `${{ bool: 'true or false', text: 'text', integer: 'whole number', number: 'number' }[kind]}${steps}${counts}`;
}

function unitOf({ spec }: PointFacts): string {
  return spec.unit === undefined || spec.unit === '1' ? '–' : text(spec.unit);
}

function raisedWhen(rule: AlarmRule, { spec }: PointFacts): string {
  const unit = spec.unit === undefined ? '' : ` ${text(spec.unit)}`;
  if (rule.at !== undefined) {
    const isLow =
      rule.side === 'low' || (rule.side === undefined && rule.off !== undefined && rule.off > rule.at);
    const back = rule.off === undefined ? '' : `, over at ${rule.off}`;
    return `${isLow ? 'below' : 'above'} ${rule.at}${unit}${back}`;
  }
  if (rule.is !== undefined)
    return `while ${[rule.is]
      .flat()
      .map((value) => text(String(value)))
      .join(' or ')}`;
  if (rule.change !== undefined) {
    return `changes by more than ${rule.change}${unit}${rule.within === undefined ? '' : ` in ${duration(rule.within)}`}`;
  }
  if (rule.quality !== undefined) return `quality is ${[rule.quality].flat().join(' or ')}`;
  return rule.when === undefined ? '–' : `when ${code(rule.when)}`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)];
}

function duration(ms: number): string {
  if (ms % 60_000 === 0) return `${ms / 60_000} min`;
  return ms % 1000 === 0 ? `${ms / 1000} s` : `${ms} ms`;
}

/** As it is, whatever it is: no name of a device makes a heading, a link or a column. */
function text(raw: string): string {
  return raw
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/[\\`*_[\]<>|#]/g, (character) => `\\${character}`);
}

function code(raw: string): string {
  const line = raw.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').replaceAll('|', '\\|');
  return line.includes('`') ? text(raw) : `\`${line}\``;
}
