import type { Value } from '../samples/value.ts';
import type { DescribedPoint } from './schema.ts';
import { type UnitConversion, unitConversion } from './unit.ts';

/** How people see the values of a point: `shown = stored × factor + offset`, in `unit`. */
export interface Display extends UnitConversion {
  readonly unit: string;
}

export interface Presentation {
  /** Label by value as text. */
  readonly enum?: Readonly<Record<string, string>>;
  /** Absent: as they are stored. */
  readonly display?: Display;
}

type Shown = Pick<DescribedPoint, 'unit' | 'display' | 'enum'>;

/** By the point's description: a conversion is worked out once. */
const known = new WeakMap<Shown, Presentation>();
const AS_IT_IS: Presentation = {};

export function presentationOf(point: Shown | undefined): Presentation {
  if (point === undefined) return AS_IT_IS;
  const before = known.get(point);
  if (before !== undefined) return before;
  const { unit, display, enum: labels } = point;
  const conversion = unit === undefined || display === undefined ? null : unitConversion(unit, display);
  const presentation = {
    ...(labels === undefined ? {} : { enum: labels }),
    ...(conversion === null || display === undefined ? {} : { display: { unit: display, ...conversion } }),
  };
  known.set(point, presentation);
  return presentation;
}

/** The value in the unit it is shown in, and its label where it has one. */
export function presented(
  value: Value,
  presentation: Presentation,
): { readonly value: Value; readonly label: string | undefined } {
  const label = value === null ? undefined : presentation.enum?.[String(value)];
  const { display } = presentation;
  if (display === undefined || (typeof value !== 'number' && typeof value !== 'bigint'))
    return { value, label };
  const shown = Number(value) * display.factor + display.offset;
  // 0.1 + 0.2 is shown as 0.3.
  return { value: Number(shown.toPrecision(12)), label };
}

/** The value that has this label. */
export function valueOfLabel(label: string, presentation: Presentation): number | boolean | undefined {
  const found = Object.entries(presentation.enum ?? {}).find(([, each]) => each === label)?.[0];
  if (found === undefined) return undefined;
  return found === 'true' || found === 'false' ? found === 'true' : Number(found);
}
