import { InvalidInputError, UnavailableError } from '@millwright/protocol';
import type { DiscoverDeps, DiscoverTarget, FoundDevice } from '../../driver.ts';
import type { ModbusBus } from '../bus.ts';
import { createBus, endpointOfConnect } from '../endpoint.ts';
import { type Chain, walkChain } from './chain.ts';
import { describeModel, type PointText } from './describe-model.ts';
import { ModelFolder } from './models.ts';

const COMMON = 1;
/** Registers of the common model from its first: manufacturer, model, serial number. @see SunSpec model 1 */
const NAMES = { manufacturer: [2, 16], model: [18, 16], serial: [50, 16] } as const;

/**
 * What a SunSpec device says of itself, as a device with points.
 * @throws UnavailableError `DEVICE_OFFLINE`, `MODBUS_CONNECT_FAILED`; InvalidInputError `MODELS_MISSING`, `NOT_SUNSPEC`
 */
export async function* discoverSunSpec(
  target: DiscoverTarget<'modbus'>,
  deps: DiscoverDeps,
  { signal }: { readonly signal: AbortSignal },
): AsyncGenerator<FoundDevice> {
  if (target.models === undefined) {
    throw new InvalidInputError('MODELS_MISSING', 'SunSpec’s model definitions are needed to read a device', {
      hint: 'get them from https://github.com/sunspec/models and name the folder: --models models/json',
    });
  }
  const bus = createBus(endpointOfConnect(target.connect), deps);
  const abort = () => bus.close();
  try {
    await bus.open({ signal, onClose: () => undefined });
    signal.addEventListener('abort', abort, { once: true });
    const chain = await chainOf(bus, target, signal);
    yield await describe(chain, target, new ModelFolder(target.models));
  } finally {
    signal.removeEventListener('abort', abort);
    bus.close();
  }
}

async function chainOf(
  bus: ModbusBus,
  target: DiscoverTarget<'modbus'>,
  signal: AbortSignal,
): Promise<Chain> {
  const { unit, timeout } = target.connect;
  const chain = await walkChain(bus, { unit, timeoutMs: timeout }, { signal });
  if (chain !== undefined) return chain;
  throw new InvalidInputError(
    'NOT_SUNSPEC',
    `unit ${unit} on ${bus.name} answers, but it is no SunSpec device`,
    {
      hint: 'describe it from its manual: docs/guides/connect-a-modbus-device.md',
    },
  );
}

async function describe(
  chain: Chain,
  target: DiscoverTarget<'modbus'>,
  folder: ModelFolder,
): Promise<FoundDevice> {
  const notes = [...chain.notes];
  const points: Record<string, PointText> = {};
  const seen = new Map<number, number>();
  let absent = 0;
  let writable = 0;
  for (const found of chain.models) {
    const nth = (seen.get(found.id) ?? 0) + 1;
    seen.set(found.id, nth);
    const model = await folder.model(found.id);
    if (model === undefined) {
      notes.push(`model ${found.id} at register ${found.address} has no definition in the folder: left out`);
      continue;
    }
    const described = describeModel(model, found, nth === 1 ? `m${found.id}` : `m${found.id}_${nth}`);
    absent += described.absent;
    writable += described.writable;
    if (Object.keys(points).length + described.points.size > target.maxPoints) {
      notes.push(
        `model ${found.id} and what follows would make more than ${target.maxPoints} points: left out`,
      );
      break;
    }
    Object.assign(points, Object.fromEntries(described.points));
  }
  if (Object.keys(points).length === 0) {
    throw new UnavailableError('DEVICE_OFFLINE', 'the device shows no model that can be read', {
      hint: notes.join('; '),
    });
  }
  if (absent > 0) notes.push(`left out, because this device does not implement them: ${absent} points`);
  if (writable > 0)
    notes.push(`points that can be written: ${writable}; to allow it, give those you want a "write" block`);
  const names = namesOf(chain);
  return {
    id: slugOf(names) || `unit-${target.connect.unit}`,
    title: titleOf(names),
    body: {
      connect: connectText(target.connect),
      scans: { live: '2s', fixed: '10m' },
      defaults: { table: 'holding', scan: 'live' },
      points,
    },
    notes,
  };
}

interface Names {
  readonly manufacturer: string;
  readonly model: string;
  readonly serial: string;
}

function namesOf(chain: Chain): Names {
  const words = chain.models.find(({ id }) => id === COMMON)?.words;
  const text = ([at, size]: readonly [number, number]) =>
    words === undefined
      ? ''
      : String.fromCharCode(...[...words.subarray(at, at + size)].flatMap((word) => [word >> 8, word & 0xff]))
          .replace(/\0[\s\S]*$/, '')
          .replace(/[^\x20-\x7e]/g, '')
          .trim();
  return {
    manufacturer: text(NAMES.manufacturer),
    model: text(NAMES.model),
    serial: text(NAMES.serial),
  };
}

function titleOf({ manufacturer, model, serial }: Names): string {
  const what = `${manufacturer} ${model}`.trim() || 'SunSpec device';
  return serial === '' ? what : `${what}, serial ${serial}`;
}

function slugOf({ manufacturer, model }: Names): string {
  const words = `${manufacturer} ${model}`.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  return words.join('-').slice(0, 40).replace(/-$/, '');
}

/** As a device file says it: durations as texts, nothing that is not said. */
function connectText(connect: DiscoverTarget<'modbus'>['connect']): Readonly<Record<string, unknown>> {
  const said = Object.entries(connect).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(said), timeout: `${connect.timeout}ms` };
}
