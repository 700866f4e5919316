import { type Logger, UnavailableError } from '@millwright/protocol';
import type { Kv, KvFile } from './kv.ts';

/**
 * Opens a store; one that is damaged is moved aside and begun anew.
 * @throws UnavailableError when the disk cannot serve it
 */
export async function openStore(file: KvFile, logger: Logger): Promise<Kv> {
  try {
    const kv = await file.open();
    await kv.get(['probe']);
    return kv;
  } catch (error) {
    if (!(error instanceof UnavailableError && error.code === 'KV_CORRUPT')) throw error;
    const movedTo = await file.setAside();
    logger.error({ movedTo, err: error }, `${file.name} was damaged; it is kept and a new one begun`);
    return file.open();
  }
}
