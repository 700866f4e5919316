import type { AbortOptions, MessageStream } from '@libp2p/interface';
import { UnavailableError } from '../../errors.ts';

/** True while bytes wait in this process because the transport below is full. */
export function isCongested(stream: MessageStream): boolean {
  return stream.writableNeedsDrain || stream.writeBufferLength > 0;
}

/**
 * Resolves once everything sent so far was taken by the transport below and it can take more.
 * `MessageStream.onDrain` cannot be used: from its second call on it resolves at once.
 * @throws UnavailableError `CHANNEL_CLOSED` when the stream ends first; the signal's reason when aborted
 */
export async function drained(stream: MessageStream, options: AbortOptions = {}): Promise<void> {
  while (isCongested(stream)) {
    if (stream.status !== 'open' && stream.status !== 'closing') throw closedError();
    options.signal?.throwIfAborted();
    await nextChange(stream, options.signal);
  }
}

export function closedError(cause?: unknown): UnavailableError {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new UnavailableError('CHANNEL_CLOSED', `the peer or the network ended the stream${why}`, { cause });
}

function nextChange(stream: MessageStream, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = () => {
      stream.removeEventListener('drain', later);
      stream.removeEventListener('idle', later);
      stream.removeEventListener('close', closed);
      signal?.removeEventListener('abort', abort);
    };
    // The stream moves its own buffer in a microtask after the event.
    const later = () => {
      done();
      queueMicrotask(resolve);
    };
    const closed = (event: { readonly error?: Error | undefined }) => {
      done();
      reject(closedError(event.error));
    };
    const abort = () => {
      done();
      reject(signal?.reason);
    };
    stream.addEventListener('drain', later);
    stream.addEventListener('idle', later);
    stream.addEventListener('close', closed);
    signal?.addEventListener('abort', abort, { once: true });
  });
}
