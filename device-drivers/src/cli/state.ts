import { join, resolve } from 'node:path';

/** Where the drivers of the gateway with this state folder keep their files. */
export function driverFilesIn(state: string | undefined): { readonly stateDir?: string } {
  return state === undefined ? {} : { stateDir: join(resolve(state), 'drivers') };
}
