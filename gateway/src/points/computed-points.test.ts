import {
  bad,
  type DeviceSlug,
  type DeviceSpec,
  describedPoints,
  type PointId,
  PointNo,
  qualityByte,
  resolveSite,
  SampleBatch,
  type Value,
} from '@millwright/protocol';
import { Expression } from '@millwright/protocol/expression';
import { MemoryClock, MemoryLogger } from '@millwright/protocol/testing';
import { describe, expect, it } from 'vitest';
import { ComputedPoints } from './computed-points.ts';
import { PointsTable } from './points-table.ts';

interface Told {
  readonly point: string;
  readonly v: Value;
  readonly q: string;
  readonly why?: string | undefined;
  readonly tSource: number;
}

async function deskOf(site: string, rules: { readonly deadband?: number } = {}) {
  const specs = resolveSite({ site: { name: 's', text: site }, types: [], expressions: Expression });
  const clock = new MemoryClock();
  const told: Told[] = [];
  const names = new Map<number, string>();
  let computed: ComputedPoints | undefined;
  const points = new PointsTable({
    clock,
    logger: new MemoryLogger(),
    all: [{ name: 'computed', accept: (batch) => computed?.accept(batch) }],
    reported: [
      {
        name: 'told',
        accept: (batch) => {
          for (let row = 0; row < batch.length; row++) {
            const { point, v, q, why, tSource } = batch.sampleAt(row);
            told.push({
              point: names.get(point) ?? '',
              v,
              q,
              ...(why === undefined ? {} : { why }),
              tSource,
            });
          }
        },
      },
    ],
  });
  computed = new ComputedPoints({ points });
  let next = 0;
  const devices = new Map<DeviceSlug, { spec: DeviceSpec; numbers: Map<PointId, PointNo> }>();
  for (const spec of specs) {
    const numbers = new Map([...describedPoints(spec).keys()].map((id) => [id, PointNo.parse(next++)]));
    for (const [id, no] of numbers) names.set(no, `${spec.id}/${id}`);
    devices.set(spec.id, { spec, numbers });
    points.configure([...numbers.values()].map((no) => ({ no, ...rules })));
  }
  const numberOf = (name: string) => PointNo.parse([...names].find(([, each]) => each === name)?.[0]);
  const send = (
    values: Readonly<Record<string, Value | { v: Value; quality: number }>>,
    tMs = clock.wallMs(),
  ) => {
    const batch = new SampleBatch(10);
    for (const [name, value] of Object.entries(values)) {
      if (typeof value === 'object' && value !== null)
        batch.push(numberOf(name), tMs, tMs, value.v, value.quality);
      else batch.push(numberOf(name), tMs, tMs, value);
    }
    told.length = 0;
    points.accept(batch);
    return told;
  };
  await computed.apply(devices);
  const sample = (name: string) => points.sample(numberOf(name));
  return { clock, points, computed, devices, told, send, sample };
}

const ADDER = `
- id: m
  driver: mqtt
  connect: { broker: local }
  points:
    a: { topic: a, as: float64 }
    b: { topic: b, as: float64 }
    on: { topic: on, as: bool }
    sum: { compute: a + b }
    ratio: { compute: a / b }
    double: { compute: sum_of * 2 }
    sum_of: { compute: sum + ratio }
    busy: { compute: "on && a > 3", as: bool }
    word: { compute: "on ? 'yes' : 'no'", as: text }
`.replace('double', 'twice');

describe('a computed point', () => {
  it('has a value in the turn in which its inputs get one, once', async () => {
    const { send, clock } = await deskOf(ADDER);
    const t = clock.wallMs() - 500;
    const told = send({ 'm/a': 6, 'm/b': 2, 'm/on': true }, t);
    expect(told.filter(({ point }) => !['m/a', 'm/b', 'm/on'].includes(point))).toEqual([
      { point: 'm/sum', v: 8, q: 'good', tSource: t },
      { point: 'm/ratio', v: 3, q: 'good', tSource: t },
      { point: 'm/busy', v: true, q: 'good', tSource: t },
      { point: 'm/word', v: 'yes', q: 'good', tSource: t },
      { point: 'm/sum_of', v: 11, q: 'good', tSource: t },
      { point: 'm/twice', v: 22, q: 'good', tSource: t },
    ]);
  });

  it('says nothing before every input was read', async () => {
    const { send, sample } = await deskOf(ADDER);
    expect(send({ 'm/a': 6 }).map(({ point }) => point)).toEqual(['m/a']);
    expect(sample('m/sum')).toMatchObject({ v: null, why: 'not-yet-read' });
  });

  it('is bad with the reason of a bad input, and so is what rests on it', async () => {
    const { send, sample } = await deskOf(ADDER);
    send({ 'm/a': 6, 'm/b': 2, 'm/on': false });
    send({ 'm/b': { v: null, quality: bad('timeout') } });
    expect(sample('m/sum')).toMatchObject({ v: null, q: 'bad', why: 'timeout' });
    expect(sample('m/twice')).toMatchObject({ v: null, q: 'bad', why: 'timeout' });
    send({ 'm/b': 3 });
    expect(sample('m/twice')).toMatchObject({ v: 22, q: 'good' });
  });

  it('does not care for a bad input that its result does not rest on', async () => {
    const { send, sample } = await deskOf(ADDER);
    send({ 'm/a': 6, 'm/b': 2, 'm/on': false });
    send({ 'm/a': { v: null, quality: bad('timeout') } });
    expect(sample('m/busy')).toMatchObject({ v: false, q: 'good' });
  });

  it('is as uncertain as its inputs', async () => {
    const { send, sample } = await deskOf(ADDER);
    send({ 'm/a': { v: 6, quality: qualityByte('uncertain', 'stale') }, 'm/b': 2, 'm/on': true });
    expect(sample('m/sum')).toMatchObject({ v: 8, q: 'uncertain', why: 'stale' });
  });

  it('is bad when it cannot be worked out', async () => {
    const { send, sample } = await deskOf(ADDER);
    send({ 'm/a': 6, 'm/b': 0, 'm/on': true });
    expect(sample('m/ratio')).toMatchObject({ v: null, q: 'bad', why: 'not-computable' });
    expect(sample('m/sum')).toMatchObject({ v: 6, q: 'good' });
  });

  it('is reported by exception as other points are', async () => {
    const { send } = await deskOf(ADDER, { deadband: 1 });
    send({ 'm/a': 6, 'm/b': 2, 'm/on': true });
    expect(send({ 'm/a': 6.2 }).map(({ point }) => point)).toEqual([]);
    expect(send({ 'm/a': 8 }).map(({ point }) => point)).toContain('m/sum');
  });

  it('may rest on points of other devices', async () => {
    const { send, sample } = await deskOf(`
- { id: m, driver: mqtt, connect: { broker: local }, points: { p: { topic: a, as: float64 } } }
- id: n
  driver: mqtt
  connect: { broker: local }
  points:
    p: { topic: b, as: float64 }
    total: { compute: p + theirs, inputs: { theirs: m/p } }
`);
    send({ 'm/p': 1, 'n/p': 2 });
    expect(sample('n/total')).toMatchObject({ v: 3, q: 'good' });
  });

  it('has a value at once when it is new and its inputs are not', async () => {
    const { send, sample, computed, devices } = await deskOf(ADDER);
    send({ 'm/a': 6, 'm/b': 2, 'm/on': true });
    await computed.apply(new Map());
    send({ 'm/a': 7 });
    expect(sample('m/sum')).toMatchObject({ v: 8 });
    await computed.apply(devices);
    expect(sample('m/sum')).toMatchObject({ v: 9 });
  });
});
