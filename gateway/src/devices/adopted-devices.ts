import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  type Clock,
  type DeviceSpec,
  describeError,
  InvalidInputError,
  type Logger,
  resolveSite,
  UnavailableError,
} from '@millwright/protocol';
import { z } from 'zod';
import type { SiteEntry } from './pending-devices.ts';

const MAX_DEVICES = 5000;

const AdoptedFile = z.strictObject({
  version: z.literal(1),
  devices: z
    .array(
      z.strictObject({
        key: z.string().max(500),
        adoptedAtMs: z.number(),
        entry: z.looseObject({ id: z.string() }),
      }),
    )
    .max(MAX_DEVICES),
});
type Adopted = z.infer<typeof AdoptedFile>['devices'][number];

/**
 * Devices that were adopted, in a JSON file of the state folder, each as it would stand in the site file: whoever wants
 * to keep it there moves it. The site file wins where both have an id.
 */
export class AdoptedDevices {
  readonly #deps: { readonly clock: Pick<Clock, 'wallMs'>; readonly logger: Logger };
  readonly #path: string;
  #devices: readonly Adopted[] = [];
  #writing: Promise<unknown> = Promise.resolve();

  constructor(
    deps: { readonly clock: Pick<Clock, 'wallMs'>; readonly logger: Logger },
    config: { readonly path: string },
  ) {
    this.#deps = deps;
    this.#path = config.path;
  }

  /** A missing file is an empty list. @throws InvalidInputError `ADOPTED_INVALID`; UnavailableError */
  async load(): Promise<void> {
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return;
      throw new UnavailableError('ADOPTED_UNREADABLE', `cannot read ${this.#path}`, { cause });
    }
    try {
      this.#devices = AdoptedFile.parse(JSON.parse(text)).devices;
    } catch (cause) {
      throw new InvalidInputError('ADOPTED_INVALID', `${this.#path} is not a list of adopted devices`, {
        hint: 'restore the file from a backup, or delete it and adopt the devices again',
        cause,
      });
    }
  }

  has(key: string): boolean {
    return this.#devices.some((device) => device.key === key);
  }

  hasId(id: string): boolean {
    return this.#devices.some(({ entry }) => entry.id === id);
  }

  /** The site with the adopted devices behind it. One that has become impossible is left out and logged. */
  withAdopted(site: readonly DeviceSpec[]): DeviceSpec[] {
    const ids = new Set<string>(site.map(({ id }) => id));
    const specs = [...site];
    for (const { entry } of this.#devices) {
      const device = { device: entry.id };
      if (ids.has(entry.id)) {
        this.#deps.logger.warn(
          device,
          'an adopted device has the id of one in the site file, and is not read',
        );
        continue;
      }
      try {
        specs.push(specOf(entry));
        ids.add(entry.id);
      } catch (error) {
        this.#deps.logger.error(
          { ...device, error: describeError(error) },
          'an adopted device cannot be read',
        );
      }
    }
    return specs;
  }

  /** @throws InvalidInputError `CONFIG_INVALID`, `TOO_MANY_DEVICES`; UnavailableError when it cannot be kept */
  async add(key: string, entry: SiteEntry): Promise<DeviceSpec> {
    const spec = specOf(entry);
    if (this.#devices.length >= MAX_DEVICES) {
      throw new InvalidInputError('TOO_MANY_DEVICES', `${MAX_DEVICES} devices are adopted already`);
    }
    const adoptedAtMs = this.#deps.clock.wallMs();
    await this.#change((devices) => [
      ...devices.filter((other) => other.key !== key),
      { key, adoptedAtMs, entry },
    ]);
    return spec;
  }

  /** @returns false when there was none of this id */
  async remove(id: string): Promise<boolean> {
    if (!this.hasId(id)) return false;
    await this.#change((devices) => devices.filter(({ entry }) => entry.id !== id));
    return true;
  }

  #change(change: (devices: readonly Adopted[]) => Adopted[]): Promise<void> {
    const changed = this.#writing.then(async () => {
      const next = change(this.#devices);
      await this.#write(next);
      this.#devices = next;
    });
    this.#writing = changed.catch(() => undefined);
    return changed;
  }

  async #write(devices: readonly Adopted[]): Promise<void> {
    const temporary = `${this.#path}.${randomUUID()}`;
    try {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
      const file = await open(temporary, 'wx', 0o600);
      try {
        await file.writeFile(`${JSON.stringify({ version: 1, devices }, null, 2)}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, this.#path);
    } catch (cause) {
      await rm(temporary, { force: true });
      throw new UnavailableError('ADOPTED_UNWRITABLE', `cannot write ${this.#path}`, {
        hint: 'check that the state folder is writable and the disk is not full',
        cause,
      });
    }
  }
}

/** JSON is YAML: the same checks as for a site file, and no variables. @throws InvalidInputError `CONFIG_INVALID` */
function specOf(entry: Readonly<Record<string, unknown>>): DeviceSpec {
  const [spec] = resolveSite({ site: { name: 'adopted device', text: JSON.stringify([entry]) }, types: [] });
  if (spec !== undefined) return spec;
  throw new InvalidInputError('CONFIG_INVALID', 'the device is not described');
}
