import { z } from 'zod';
import { DeviceSlug, PointId, PointNo } from '../ids.ts';

/**
 * One line of a gateway's point catalogue: what a `PointNo` means. The catalogue only grows;
 * a point whose kind or unit changes gets a new number, so an old frame always reads as it was written.
 */
export const CatalogEntry = z.object({
  no: PointNo,
  device: DeviceSlug,
  point: PointId,
  kind: z.enum(['float64', 'int64', 'uint64', 'bool', 'text']),
  /** UCUM code; absent for dimensionless, bool and text. */
  unit: z.string().max(64).optional(),
  label: z.string().max(200).optional(),
  /** How the value behaves; `total_increasing` restarts at 0 when a meter is replaced. */
  class: z.enum(['measurement', 'total', 'total_increasing', 'state', 'score']).optional(),
  writable: z.object({ range: z.tuple([z.number(), z.number()]).optional() }).optional(),
});
export type CatalogEntry = z.infer<typeof CatalogEntry>;
