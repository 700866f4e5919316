import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError, InvalidInputError } from '@millwright/protocol';
import { z } from 'zod';

const ModelPoint = z.object({
  name: z.string().min(1).max(64),
  type: z.string(),
  /** Registers. */
  size: z.int().min(1).max(1000),
  label: z.string().optional(),
  units: z.string().optional(),
  /** The power of ten itself, or the name of the point that holds it. */
  sf: z.union([z.string(), z.int()]).optional(),
  access: z.string().optional(),
  /** `S`: does not change. */
  static: z.string().optional(),
  symbols: z.array(z.object({ name: z.string(), value: z.number() })).optional(),
});
export type ModelPoint = z.infer<typeof ModelPoint>;

const groupShape = {
  name: z.string().min(1).max(64),
  label: z.string().optional(),
  /** How often it stands there: a number, or the name of the point that says it; 0 = as often as the model is long. */
  count: z.union([z.string(), z.int().min(0)]).optional(),
  points: z.array(ModelPoint).default([]),
};
/** Points, and after them groups that may repeat. */
export interface ModelGroup {
  readonly name: string;
  readonly label?: string | undefined;
  readonly count?: string | number | undefined;
  readonly points: readonly ModelPoint[];
  readonly groups: readonly ModelGroup[];
}
const ModelGroup: z.ZodType<ModelGroup> = z.object({
  ...groupShape,
  get groups() {
    return z.array(ModelGroup).default([]);
  },
});

/** SunSpec's own definition of an information model. @see https://github.com/sunspec/models */
const Model = z.object({ id: z.int(), group: ModelGroup });
export type Model = z.infer<typeof Model>;

/** A folder with SunSpec's definitions, `model_<id>.json` each. */
export class ModelFolder {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @returns undefined when there is no such definition; @throws InvalidInputError `MODELS_UNREADABLE` */
  async model(id: number): Promise<Model | undefined> {
    const file = join(this.#folder, `model_${id}.json`);
    const text = await readFile(file, 'utf8').catch(() => undefined);
    if (text === undefined) return undefined;
    try {
      return Model.parse(JSON.parse(text));
    } catch (error) {
      throw new InvalidInputError(
        'MODELS_UNREADABLE',
        `${file} is no SunSpec definition: ${describeError(error)}`,
      );
    }
  }
}
