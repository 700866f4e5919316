import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readRecording } from './recording.ts';
import { modbusReplayType, mqttReplayType, pointNames, Replay } from './replay.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millwright-replay-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function recordingOf(text: string) {
  const file = join(folder, 'recording.csv');
  await writeFile(file, text);
  return readRecording(file);
}

describe('recording', () => {
  it.each([
    [
      'SKAB',
      'datetime;Pressure;Volume Flow RateRMS\n2020-02-08 13:30:47;0.38;122.6\n2020-02-08 13:30:49;-0.27;122.3\n',
      2000,
      { Pressure: [0.38, -0.27], 'Volume Flow RateRMS': [122.6, 122.3] },
    ],
    [
      'NAB',
      'timestamp,value\n2014-04-01 00:00:00,20.0\n2014-04-01 00:05:00,20.5\n',
      300_000,
      { value: [20, 20.5] },
    ],
    ['epoch seconds', 'a\ttime\tb\n1\t1700000000\t2\n3\t1700000001.5\t4\n', 1500, { a: [1, 3], b: [2, 4] }],
    ['epoch milliseconds', '\ufeffts,a\n1700000000000,1\n1700000000250,3\n', 250, { a: [1, 3] }],
  ])('is read from %s files', async (_name, text, secondMs, columns) => {
    const recording = await recordingOf(text);
    expect([...recording.offsetsMs]).toEqual([0, secondMs]);
    expect(
      Object.fromEntries(recording.columns.map((name, i) => [name, [...(recording.values[i] ?? [])]])),
    ).toEqual(columns);
  });

  it('has no number where the file has none, and time never goes back in it', async () => {
    const { offsetsMs, values } = await recordingOf(
      'time,a\n2020-01-01T00:00:05Z,1\n2020-01-01T00:00:03Z,\n2020-01-01T00:00:06Z,x\n',
    );
    expect([...offsetsMs]).toEqual([0, 0, 1000]);
    expect([...(values[0] ?? [])]).toEqual([1, Number.NaN, Number.NaN]);
  });

  it.each([
    ['', 'it has no rows'],
    ['time,a\n', 'it has no rows'],
    ['time\n2020-01-01\n', 'it needs a time and at least one column of values'],
    ['time,a\nyesterday,1\n', 'row 2: "yesterday" is not a time'],
    ['time,a\n2020-01-01,"1\n', 'is not CSV'],
  ])('of %j is refused with the reason', async (text, reason) => {
    await expect(recordingOf(text)).rejects.toMatchObject({
      code: 'RECORDING_INVALID',
      message: expect.stringContaining(reason),
    });
  });

  it('that is missing is named', async () => {
    await expect(readRecording(join(folder, 'gone.csv'))).rejects.toMatchObject({
      code: 'RECORDING_UNREADABLE',
      message: expect.stringContaining('gone.csv'),
    });
  });
});

describe('replay', () => {
  it('shows each row when its time has come and begins again after the last', async () => {
    const replay = new Replay(
      await recordingOf('time,a\n2020-01-01T00:00:00Z,1\n2020-01-01T00:00:01Z,2\n2020-01-01T00:00:02Z,3\n'),
    );
    const seen: unknown[] = [];
    for (let step = 0; step < 65; step++) {
      seen.push(replay.values.a?.());
      replay.step();
    }
    const row = (value: number) => Array.from({ length: 10 }, () => value);
    expect(seen).toEqual([1, 2, 3, 1, 2, 3].flatMap(row).concat(1, 1, 1, 1, 1));
  });

  it('names points after columns, each once', async () => {
    const recording = await recordingOf(
      'time,Volume Flow RateRMS,volume_flow_rate_rms,°,Accelerometer1RMS\n2020-01-01,1,2,3,4\n',
    );
    expect(pointNames(recording)).toEqual([
      'volume_flow_rate_rms',
      'volume_flow_rate_rms_2',
      'column_3',
      'accelerometer1_rms',
    ]);
    const modbus = modbusReplayType(recording, { name: 'replay-x', as: 'float64' });
    expect(Object.values(modbus.points).map((point) => point.at)).toEqual([0, 4, 8, 12]);
    const mqtt = mqttReplayType(recording, { name: 'replay-x' });
    expect(Object.values(mqtt.points)[3]).toMatchObject({ topic: '~/state', pick: '$.accelerometer1_rms' });
  });
});
