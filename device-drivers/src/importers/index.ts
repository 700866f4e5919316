import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { InvalidInputError } from '@millwright/protocol';
import { parse } from 'yaml';
import type { z } from 'zod';
import { EdgexDevices, EdgexProfile, importEdgex } from './edgex.ts';
import { type Imported, siteFileOf } from './imported.ts';
import { importNeuron, NeuronExport } from './neuron.ts';
import { importThingsBoard, ThingsBoardModbus } from './thingsboard.ts';

/** Whose files are understood. */
export const SOURCES = ['neuron', 'thingsboard', 'edgex'] as const;
export type Source = (typeof SOURCES)[number];

const NAMES: Readonly<Record<Source, string>> = {
  neuron: 'Neuron',
  thingsboard: 'the ThingsBoard gateway',
  edgex: 'EdgeX',
};
const MAX_BYTES = 16 * 1024 * 1024;

interface Input {
  readonly name: string;
  readonly data: unknown;
}

/**
 * Reads another gateway's device files and says what they mean here.
 * @returns a site file, and what could not be carried over
 * @throws InvalidInputError `FILE_MISSING`, `IMPORT_INVALID`
 */
export async function importDevices(
  source: Source,
  files: readonly string[],
): Promise<Imported & { readonly site: string }> {
  const inputs = await Promise.all(files.map(readInput));
  const imported = convert(source, inputs);
  return { ...imported, site: siteFileOf(imported, NAMES[source]) };
}

function convert(source: Source, inputs: readonly Input[]): Imported {
  if (source === 'edgex') {
    const isList = ({ data }: Input) => typeof data === 'object' && data !== null && 'deviceList' in data;
    return importEdgex(
      inputs.filter((input) => !isList(input)).map((input) => checked(EdgexProfile, input)),
      inputs.filter(isList).map((input) => checked(EdgexDevices, input)),
    );
  }
  const parts = inputs.map((input) =>
    source === 'neuron'
      ? importNeuron(checked(NeuronExport, input))
      : importThingsBoard(checked(ThingsBoardModbus, input)),
  );
  return { devices: parts.flatMap(({ devices }) => devices), lost: parts.flatMap(({ lost }) => lost) };
}

async function readInput(name: string): Promise<Input> {
  const text = await readFile(name, 'utf8').catch((cause: unknown) => {
    throw new InvalidInputError('FILE_MISSING', `cannot read ${name}`, { hint: 'check the path', cause });
  });
  if (text.length > MAX_BYTES)
    throw new InvalidInputError('IMPORT_INVALID', `${name} is larger than ${MAX_BYTES} bytes`);
  try {
    return { name, data: extname(name) === '.json' ? JSON.parse(text) : parse(text) };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split('\n', 1)[0] : String(cause);
    throw new InvalidInputError('IMPORT_INVALID', `${name} is no JSON or YAML: ${why}`, { cause });
  }
}

function checked<T extends z.ZodType>(schema: T, { name, data }: Input): z.infer<T> {
  const result = schema.safeParse(data);
  if (result.success) return result.data;
  const problems = result.error.issues
    .slice(0, 5)
    .map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new InvalidInputError('IMPORT_INVALID', `${name} is not what was expected: ${problems.join('; ')}`, {
    hint: 'see the guide on importing for which file to hand in',
  });
}
