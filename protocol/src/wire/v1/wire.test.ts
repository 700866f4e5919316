import { readdirSync, readFileSync } from 'node:fs';
import { decode, encode } from 'cborg';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { CatalogEntry } from '../../samples/catalog.ts';
import * as command from './command.ts';
import * as entry from './entry.ts';
import * as inventory from './inventory.ts';
import { MAX_FRAME_BYTES, MAX_ITEMS_PER_MESSAGE, MAX_MESSAGE_BYTES } from './limits.ts';
import * as summary from './summary.ts';
import * as uplink from './uplink.ts';

const FIXTURES = new URL('./fixtures/', import.meta.url);

/** Fixtures are JSON, with bytes written as `{"$bytes": "4d57"}`. */
function fixture(file: string): unknown[] {
  return JSON.parse(readFileSync(new URL(file, FIXTURES), 'utf8'), (_key, value) => {
    const isBytes = typeof value === 'object' && value !== null && typeof value.$bytes === 'string';
    return isBytes ? Uint8Array.from(Buffer.from(value.$bytes, 'hex')) : value;
  });
}

const kebab = (name: string) => name.replace(/(?<=[a-z])[A-Z]/g, '-$&').toLowerCase();
const schemas = Object.entries({
  CatalogEntry,
  ...command,
  ...entry,
  ...inventory,
  ...summary,
  ...uplink,
}).flatMap(([name, exported]) =>
  exported instanceof z.ZodType ? [{ name: kebab(name), schema: exported }] : [],
);

/** A later version adds fields anywhere; what may hold any key gets one more of these too. */
function withLaterFields(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withLaterFields);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, withLaterFields(inner)]);
  return { ...Object.fromEntries(entries), addedLater: 'x' };
}

describe.each(schemas)('a $name on the wire', ({ name, schema }) => {
  it.each(fixture(`${name}.valid.json`).map((value) => [JSON.stringify(value).slice(0, 70), value] as const))(
    'arrives as it was sent: %s',
    (_text, value) => {
      const arrived = schema.parse(decode(encode(value)));
      expect(arrived).toEqual(value);
    },
  );

  it('tolerates fields of a later version, at any depth', () => {
    for (const value of fixture(`${name}.valid.json`)) {
      const arrived = schema.safeParse(withLaterFields(value));
      expect(arrived.error?.issues ?? []).toEqual([]);
      expect(arrived.data).not.toHaveProperty('addedLater');
    }
  });

  const Invalid = z.array(z.object({ why: z.string(), value: z.unknown() }));
  it.each(Invalid.parse(fixture(`${name}.invalid.json`)))('is refused: $why', ({ value }) => {
    expect(schema.safeParse(decode(encode(value))).success).toBe(false);
  });

  it.each([null, undefined, 5, 'text', [], {}, new Uint8Array(3)])('is refused when it is %o', (value) => {
    expect(schema.safeParse(value).success).toBe(false);
  });
});

describe('the fixtures', () => {
  it('are one valid and one invalid file for every message, and no more', () => {
    const wanted = schemas.flatMap(({ name }) => [`${name}.invalid.json`, `${name}.valid.json`]);
    expect(readdirSync(FIXTURES).sort()).toEqual(wanted.sort());
  });
});

describe('the limits', () => {
  it('let a full frame into a message', () => {
    const bytes = new Uint8Array(MAX_FRAME_BYTES);
    const message = {
      type: 'entry',
      entry: { kind: 'frame', epoch: 2 ** 52, seq: 2 ** 52, seqEnd: 2 ** 52, bytes },
    };
    expect(encode(uplink.UplinkUp.parse(message)).length).toBeLessThan(MAX_MESSAGE_BYTES);
  });

  it('let a full list of the longest devices and catalogue entries into a message', () => {
    const slug = 'a'.repeat(64);
    // Three bytes in UTF-8, one unit in JavaScript: the most a length limit lets through.
    const long = (length: number) => '語'.repeat(length);
    const device = inventory.DeviceStatus.parse({
      device: slug,
      name: long(200),
      type: long(100),
      driver: long(32),
      online: false,
      why: long(300),
      sinceMs: 2 ** 52,
    });
    const point = CatalogEntry.parse({
      no: 0x7fff_ffff,
      device: slug,
      point: 'a'.repeat(128),
      kind: 'float64',
      unit: long(64),
      label: long(200),
      class: 'total_increasing',
      writable: { range: [0.1, 0.2] },
    });
    const full = <T>(item: T) => Array.from({ length: MAX_ITEMS_PER_MESSAGE }, () => item);
    const devices = { type: 'devices', devices: full(device), complete: false, partial: true };
    const catalog = { type: 'catalog', from: 2 ** 31, entries: full(point) };
    for (const message of [devices, catalog]) {
      expect(encode(uplink.UplinkUp.parse(message)).length).toBeLessThan(MAX_MESSAGE_BYTES);
    }
    expect(uplink.UplinkUp.safeParse({ ...devices, devices: [...full(device), device] }).success).toBe(false);
    expect(uplink.UplinkUp.safeParse({ ...catalog, entries: [...full(point), point] }).success).toBe(false);
  });
});
