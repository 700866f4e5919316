import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Has V8 give back what loading and starting left behind, a third of the memory: it collects now, and some quiet
 * seconds later shrinks the heap. Unasked it waits until the heap has grown, which that of a quiet gateway does not.
 */
export function collectStartUpGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') collect();
}
