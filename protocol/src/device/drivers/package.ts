import { z } from 'zod';
import { pointShape } from '../point.ts';

/** An npm package, or the path of one: `@acme/millwright-fieldbus`, `./drivers/fieldbus`. */
const PackageName = z
  .string()
  .max(300)
  .regex(
    /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$|^\.{0,2}\/[^\0]+$/,
    'must be the name of an npm package, or a path that begins with "/", "./" or "../"',
  );

/** A device whose driver is not one of ours. What `connect` and `at` hold is for that driver to say and to check. */
export const PackagePoint = z.strictObject({
  ...pointShape,
  at: z.union([z.string().max(500), z.int(), z.record(z.string(), z.unknown())]),
  as: z.enum(['bool', 'text', 'int64', 'uint64', 'float64']),
});
export const PackageType = { package: PackageName } as const;
export const PackageConnect = z.record(z.string(), z.unknown());

export type PackagePoint = z.infer<typeof PackagePoint>;
export type PackageConnect = z.infer<typeof PackageConnect>;
